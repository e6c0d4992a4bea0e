-- Put before every script, after _shared.lua. What a key has used is counted in the script that makes it so, and each of
-- these changes happens once, however many attempts and repeated calls there were.

-- Of a moment, in ms: its day, year-month-day (UTC). Howard Hinnant, "chrono-Compatible Low-Level Date Algorithms".
local function date_of(ms)
  local shifted = math.floor(ms / 86400000) + 719468
  local era = math.floor(shifted / 146097)
  local of_era = shifted - era * 146097
  local year = math.floor((of_era - math.floor(of_era / 1460) + math.floor(of_era / 36524) - math.floor(of_era / 146096)) / 365)
  local of_year = of_era - (365 * year + math.floor(year / 4) - math.floor(year / 100))
  local shifted_month = math.floor((5 * of_year + 2) / 153)
  local day = of_year - math.floor((153 * shifted_month + 2) / 5) + 1
  local month = shifted_month < 10 and shifted_month + 3 or shifted_month - 9
  return string.format('%04d-%02d-%02d', year + era * 400 + (month <= 2 and 1 or 0), month, day)
end

local function month_of(ms) return string.sub(date_of(ms), 1, 7) end

local function day_end(ms) return (math.floor(ms / 86400000) + 1) * 86400000 end

local function month_end(ms)
  local month, at = month_of(ms), day_end(ms)
  while month_of(at) == month do at = at + 86400000 end
  return at
end

-- A counter that lives so many days from its first count on.
local function keep_days(counter, days)
  if redis.call('TTL', counter) < 0 then redis.call('EXPIRE', counter, days * 86400) end
end

-- Adds to what the job's key has used today: pairs of a measure (frontend/keys/usage.py) and how much.
local function use(id, owner, ...)
  local job, counts = cjson.decode(get(id, 'record')), {...}
  local day = USAGE_PREFIX .. owner .. ':' .. date_of(now_ms())
  for at = 1, #counts, 2 do
    local measure, count = counts[at], counts[at + 1]
    redis.call('HINCRBY', day, measure .. ':' .. job.model .. ':' .. job.character, count)
    redis.call('HINCRBY', USAGE, measure, count)
  end
  keep_days(day, USAGE_KEPT_DAYS)
end

-- An order of this key is accepted.
local function use_order(id, owner, ...)
  use(id, owner, 'jobs', 1, ...)
  local orders = ORDERS_PREFIX .. owner .. ':' .. date_of(now_ms())
  redis.call('INCR', orders)
  keep_days(orders, 2)
end

-- A picture of this key is drawn.
local function use_picture(id, owner, engine_ms, bytes)
  use(id, owner, 'pictures', 1, 'engine_ms', engine_ms, 'bytes', bytes)
  local drawn = DRAWN_PREFIX .. owner .. ':' .. month_of(now_ms())
  redis.call('INCR', drawn)
  keep_days(drawn, 32)
end

-- What of a key's day and month is used, pictures that are still to be drawn included: two counts and the ms until
-- each begins anew.
local function used(owner)
  local now = now_ms()
  local drawn = tonumber(redis.call('GET', DRAWN_PREFIX .. owner .. ':' .. month_of(now)) or 0)
  return {
    jobs = tonumber(redis.call('GET', ORDERS_PREFIX .. owner .. ':' .. date_of(now)) or 0), day_ms = day_end(now) - now,
    drawn = drawn, pictures = drawn + redis.call('SCARD', OPEN_PREFIX .. owner), month_ms = month_end(now) - now,
  }
end

-- Why a new job may not be: what it is over, and the ms until it may. A limit of 0 is none.
local function over_limit(owner, daily, monthly)
  daily, monthly = tonumber(daily), tonumber(monthly)
  if daily == 0 and monthly == 0 then return nil end
  local now = used(owner)
  if daily > 0 and now.jobs >= daily then return {'daily', now.day_ms} end
  if monthly > 0 and now.drawn >= monthly then return {'monthly', now.month_ms} end
  if monthly > 0 and now.pictures >= monthly then return {'monthly', 5000} end -- what is ordered may yet fail
end

-- An accepted job, and what is used now where that is limited.
local function accepted(id, owner, daily, monthly)
  if daily == '0' and monthly == '0' then return {'accepted', id} end
  local now = used(owner)
  return {'accepted', id, now.jobs, now.day_ms, now.pictures, now.month_ms}
end
