"""Merchants, users, locations and policies: records read, history of type 2 derived from them, facts joined as of a time."""
