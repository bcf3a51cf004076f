"""One folder a board: pins, drivers, freeze manifest. The only place that names a chip."""
