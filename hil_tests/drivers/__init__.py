"""What a bench's wires hang on, one file a kind of thing: relay board, second board as fixture, supply, USB hub, receiver port, a
person. `base` says what a driver is, `kinds` which there are, docs/bench.md how to write one. Knows no rig and no test.

    ports       a serial port: found by USB serial number or URL, locked, logged both ways, recorded
    recording   a serial session as a file, and a port that answers as recorded
    fixture_board.py, wires/   the program of the fixture board (MicroPython), and pins for it where there are none
"""
