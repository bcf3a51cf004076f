"""The `homeward` command. `cli.py` is its composition root; every command imports what it needs when it is called, so that
`homeward --help` answers at once.

Commands: simulate.py (`sim run`, `sim check`), replay.py (`replay`), measure.py (`bench`), serve.py (`bridge`, `console run`).
Parts: running.py (one run, from start to summary), progress.py (what is seen meanwhile), report.py (the summary), stopping.py
(Ctrl-C), failures.py (errors and exit codes), inputs.py (arguments). install.sh makes the environment for `make install`.

May import everything of ours; nothing of ours imports it.
"""
