"""The roles: loops over the services. One process with all of them is the default."""
