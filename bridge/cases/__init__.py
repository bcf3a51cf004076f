"""Wearers and what they agreed to: the scheme file, wear periods, conditions.

`conditions` are the models of one condition (used by the simulator's scenarios too; they import nothing of the store), `reading`
turns a YAML file into models or says which line is wrong, `scheme` is the file and how it gets into the store.
"""
