-- lease in ms, how many at most, how many of one lane at most; then of each lane that is in use here, its name and how
-- many it may have -> of each delivery that is due: job's id, attempt, owner, webhook, tries, when it began
local lease_ms, most, of_one_lane = tonumber(ARGV[1]), tonumber(ARGV[2]), tonumber(ARGV[3])
local left, claimed, now = {}, {}, now_ms()
for at = 4, #ARGV, 2 do left[ARGV[at]] = tonumber(ARGV[at + 1]) end
local function claim(id)
  local delivery = WEBHOOK_PREFIX .. id
  -- The fencing token: it only grows, so what is told of an older attempt finds another number.
  local attempt = redis.call('HINCRBY', delivery, 'attempt', 1)
  redis.call('HDEL', delivery, 'unreviewed')
  local known = redis.call('HMGET', delivery, 'owner', 'webhook', 'tries', 'began')
  claimed[#claimed + 1] = {id, attempt, known[1], known[2], tonumber(known[3]), tonumber(known[4])}
  deliver_at(id, now + lease_ms) -- unless it ends before
end
for _, lane in ipairs(redis.call('ZRANGEBYSCORE', WEBHOOK_LANES, '-inf', now, 'LIMIT', 0, 1000)) do
  local count = math.min(left[lane] or of_one_lane, most - #claimed)
  if count > 0 then
    local due = redis.call('ZRANGEBYSCORE', WEBHOOK_LANE_PREFIX .. lane, '-inf', now, 'LIMIT', 0, count)
    for _, id in ipairs(due) do claim(id) end
  end
end
return claimed
