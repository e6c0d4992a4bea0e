-- Makes the stream and its group where they do not exist yet.
local made = redis.pcall('XGROUP', 'CREATE', QUEUE, WORKERS, '0', 'MKSTREAM')
if made.err and not string.find(made.err, 'BUSYGROUP') then return made end
return 1
