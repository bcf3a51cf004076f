"""The web console: what the people who watch see. It reads the store through a read-only connection and writes nothing.

`settings` what can be configured; `access` who gets in and the security headers; `reading` the store's questions as SQL;
`shapes` rows as the JSON that the page draws (pure); `stream` one poller for all browsers; `app` the routes;
`main` the process. `static/js` is the page: plain modules, one noun each, `main.js` wires them.
May import `bridge.store`, `bridge.errors` and `firmware.core`; nothing imports it but the process that starts it.
"""
