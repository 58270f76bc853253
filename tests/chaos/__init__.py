"""A hundred thousand refreshes, and processes killed at every step of one in twenty of them.

    director ──fork──▶ provider    the simulator, strict and with grace; its ledger judges
        │    ──fork──▶ workers     the real services and the real runner, on one PostgreSQL
        │    ──signals▶ database   stopped as by a power cut, and started again
        └──▶ verdict ──▶ report    what every connection says, held against the ledger

`python -m tests.chaos --help`, or `make chaos`.
"""
