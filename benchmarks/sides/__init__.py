"""What the sides of several workloads share; each side of a workload is a process of its own."""
