# How jobs are started: when there is room for one.


# While it limits how many it starts a second (by default 100, more than a machine or a queue takes),
# Snakemake looks at all waiting jobs anew a second after each look, and does so once for each job that
# has ended: with a hundred of them it is busy with nothing else. Its scheduler is there by now.
onstart:
    limit = workflow.scheduler.job_rate_limiter
    if limit and (limit.max_jobs, limit.timespan) == (100, 1):  # nobody has set it
        workflow.scheduler.job_rate_limiter = None
