"""The rules: records + conditions → findings. Pure: no store, no carrier, no clock, no file; the same in gives the same out.

`facts` are what goes in and comes out, `conditions` the compiled conditions of one wearer (`geometry` under them), and each of
`device`, `presence`, `zones`, `curfew` is one small step `(state, fact, conditions) → (state, findings)`. `fold` orders them.

State is plain JSON: the caller keeps it. Time is event time in ms UTC; facts come in order of `Fact.key`. Who gets them out of
order goes back to an earlier state and folds again: the findings are a function of the *set* of facts, not of their arrival.
"""
