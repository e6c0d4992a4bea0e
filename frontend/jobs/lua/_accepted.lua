-- Put before every script that changes what was accepted. At maxmemory Redis refuses a script's first write if it may
-- need memory, and no later one: new jobs are refused then, and the accepted ones are finished, reviewed and cancelled.
redis.call('DEL', JOB_PREFIX)
