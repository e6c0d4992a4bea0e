-- Put before the scripts that take tokens, after the names of contract/redis_keys.py.

local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)

local SKEW_MS = 1000 -- by which the clocks of a master and of the one that takes over may differ

-- -> tokens taken, ms until there is one (0 where any was taken), whole tokens left
local function take(name, per_ms, most, wanted)
  local bucket = RATE_PREFIX .. name
  local known = redis.call('HMGET', bucket, 'left', 'at')
  local left = most
  -- A bucket of the future is one of before the clock was set back, and would get nothing until it has caught up: it is full.
  if known[1] and known[2] - now < SKEW_MS then left = math.min(most, known[1] + math.max(0, now - known[2]) * per_ms) end
  local taken = math.min(wanted, math.floor(left))
  left = left - taken
  if taken > 0 then
    local full_in = math.ceil((most - left) / per_ms)
    -- At maxmemory Redis refuses a script's first write if it may need memory, and no later one: polls go on.
    redis.call('PEXPIRE', bucket, full_in)
    redis.call('HSET', bucket, 'left', string.format('%.6f', left), 'at', string.format('%d', now))
    redis.call('PEXPIRE', bucket, full_in)
  end
  return taken, taken > 0 and 0 or math.ceil((1 - left) / per_ms), math.floor(left)
end
