"""A second reader of Plumbline's manifests, written from docs/formats alone.

It shares nothing with the C library: Python's standard library, and one package for Ed25519
(cryptography). tests/interop holds both readers against each other. It is small and slow on
purpose: whole files in memory, one check after the other in the order of manifest.md.
"""
