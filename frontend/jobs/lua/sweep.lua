-- consumers' idle limit in ms -> how many jobs passed their deadline in the queue or at work
local late = redis.call('ZRANGEBYSCORE', OPEN, '-inf', now_ms(), 'LIMIT', 0, 100)
for _, id in ipairs(late) do
  if in_hand(id) then finish(id, 'TIMED_OUT', '') else redis.call('ZREM', OPEN, id) end
end
-- A killed process cannot take its leave.
forget_consumers(function(_, idle) return idle > tonumber(ARGV[1]) end)
return #late
