"""How a chat message is written: what fits, who may acknowledge it, how it is called out."""
