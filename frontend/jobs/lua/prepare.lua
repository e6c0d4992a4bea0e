-- Makes the stream and its group where they do not exist yet, and adopts some of what the version before has queued
-- -> 1 when there may be more of that
local made = redis.pcall('XGROUP', 'CREATE', QUEUE, WORKERS, '0', 'MKSTREAM')
if made.err and not string.find(made.err, 'BUSYGROUP') then return made end
local adopted = adopt('prepare')
redis.call('XGROUP', 'DELCONSUMER', QUEUE, WORKERS, 'prepare') -- it holds nothing
return adopted == 100 and 1 or 0
