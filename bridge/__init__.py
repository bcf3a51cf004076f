"""The bridge: takes sealed records in, stores them, receipts them, and finds out what they mean for people.

`carriers` bring messages, `ingest` opens, stores and receipts them, `store` is the database, `rules` are pure,
`cases` hold wearers and their conditions, `console` shows it all, `broker` starts the embedded one.
"""
