"""The requirement suite: what the field asks of a tagging system, each figure measured on runs of the real firmware and bridge.

`requirements` is the table: a row for each requirement, with its scenario (`scenarios/<name>.yaml`), its figures and bounds, and
the function of `measures` that reads them from a `take` (one run as it can be looked at: store, truth, arrivals). `samples` holds
figures against bounds. A run of many seeds: `vary` makes each seed's own scenario, `bundle` puts scenarios that can share a world
into one run, `runner` does them over processes, `table` shows what came of it.

Imports `sim.engine` and the store's queries; nothing of ours but the command line imports it.
"""
