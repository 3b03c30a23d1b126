"""Benchmarks of a running Tocsin: real processes, real sockets, on one machine.

``python -m bench`` runs every case, ``python -m bench live idle`` some of them.
Benchmarks print figures beside their goals and never fail because of one.
"""
