// The client for browsers and Node.
