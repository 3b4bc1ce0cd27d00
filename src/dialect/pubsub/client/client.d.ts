// The types of the client.
