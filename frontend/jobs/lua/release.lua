-- id, token of the start, charge (1 or 0) -> 1 if the job waits again; its attempt is not charged when it was not its fault
local id, token, charge = unpack(ARGV)
if not holds(id, token) then return 0 end
leave_queue(id)
if charge == '0' then redis.call('HINCRBY', key(id), 'charged', -1) end
redis.call('HSET', key(id), 'state', 'IN_QUEUE', 'progress', '0')
enqueue(id, now_ms())
tell(id)
tell(QUEUE_MOVED)
return 1
