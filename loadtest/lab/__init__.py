"""The parts of the load tests: servers, figures, scenarios, memory, table. Python's standard library only."""
