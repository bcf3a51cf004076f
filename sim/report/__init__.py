"""What a run came to, for people and for other programs: an HTML page that stands alone, and JUnit's XML.

`gather` puts a run together from its folder, its scenario and what the engine knows of its devices; `timeline`, `maps` and
`plots` draw it, `html` makes the page of that, `junit` the test results, `words` says findings in words. May import the engine,
the world, the scenario and the bridge's store; nothing of the simulator but its command line imports it.
"""
