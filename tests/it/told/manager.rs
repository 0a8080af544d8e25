//! What a service manager is told by a socket of the test.
