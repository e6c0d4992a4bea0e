-- id, token of the start, consumer, progress -> 1 while the worker still holds the job; renews its lease
local id, token, consumer, progress = unpack(ARGV)
if not holds(id, token) then return 0 end
if now_ms() > tonumber(get(id, 'deadline')) then
  finish(id, 'TIMED_OUT', '')
  return 0
end
if progress ~= '' then
  redis.call('HSET', key(id), 'progress', progress)
  tell(id)
end
redis.call('XCLAIM', QUEUE, WORKERS, consumer, 0, get(id, 'entry'), 'JUSTID')
return 1
