"""What penstock costs, against the bare HTTP client and against its peers: `make bench`."""
