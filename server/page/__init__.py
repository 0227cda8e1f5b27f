"""The page: what a reader sees in a browser, made on the server, plain search without scripts."""
