-- consumers' idle limit in ms -> how many jobs passed their deadline in the queue or at work
local late = redis.call('ZRANGEBYSCORE', OPEN, '-inf', now_ms(), 'LIMIT', 0, 100)
local ended = 0
for _, id in ipairs(late) do
  if in_hand(id) then
    finish(id, 'TIMED_OUT', '')
    ended = ended + 1
  else redis.call('ZREM', OPEN, id) end
end
-- A server of the version before frees no lines.
for _, owner in ipairs(redis.call('SRANDMEMBER', HELD, 100)) do free_line(owner) end
-- A killed process cannot take its leave.
forget_consumers(function(_, idle) return idle > tonumber(ARGV[1]) end)
return ended
