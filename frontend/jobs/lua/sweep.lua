-- consumers' idle limit in ms -> how many jobs passed their deadline in the queue or at work

-- Leases that began before the clock was set back begin in the future, and would not end until it has caught up: they
-- begin now.
local function begin_leases_anew()
  for _, row in ipairs(redis.call('XPENDING', QUEUE, WORKERS, '-', '+', 10000)) do
    redis.call('XCLAIM', QUEUE, WORKERS, row[2], 0, row[1], 'JUSTID')
  end
end

if now_ms() < tonumber(redis.call('GET', SWEPT) or 0) then begin_leases_anew() end
redis.call('SET', SWEPT, string.format('%d', now_ms()))
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
