"""The simulator in somebody's hands: what is done to a run while it goes on, its log, and the page on which it is done.

`acts` says what can be done and how it is written down; `hand` keeps what is due and what was done; `doing` does it to the world;
`server` is the page. A run in which somebody did something is repeated to the byte by `homeward sim run --acts FILE`.
"""
