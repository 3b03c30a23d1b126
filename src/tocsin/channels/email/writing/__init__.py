"""
From content to the bytes of a letter (RFC 5322, 2045 to 2047), for every provider of email.

The standard library's builder takes some milliseconds for a letter. Here bodies are encoded by one
call into C, and headers are lines that are joined; tests hold the bytes to what the library's
parser reads from them.
"""
