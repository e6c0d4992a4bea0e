-- ids -> for each the fields of store.py's view, and its place among the waiting ones, from 1 on, if it waits
local FORESEEN = 200 -- places; what is beyond is told by the order of acceptance

local function later(line, other)
  return line.turn > other.turn or line.turn == other.turn and line.owner > other.owner
end

local function insert(lines, line)
  local at = #lines + 1
  while at > 1 and later(lines[at - 1], line) do at = at - 1 end
  table.insert(lines, at, line)
end

-- The lines in the order of their turns; of those that are held, only the ones that are asked about.
local function lines_with(asked, now)
  local lines, flat = {}, redis.call('ZRANGE', TURNS, 0, FORESEEN - 1, 'WITHSCORES')
  for at = 1, #flat, 2 do lines[#lines + 1] = {owner = flat[at], turn = tonumber(flat[at + 1]), taken = 0} end
  for owner in pairs(asked) do
    if redis.call('SISMEMBER', HELD, owner) == 1 then
      insert(lines, {owner = owner, turn = turn_after(last_turn(owner), now, priority_of(owner)), taken = 0, held = true})
    end
  end
  return lines
end

-- Which places the jobs have that are asked about (owner -> how many are before it in its line -> id), as `take` will go
-- on if nothing else happens. A line that is held stands as if it were not, and before nobody.
local function foresee(asked, missing)
  local places, place, now = {}, 0, clock()
  local lines = lines_with(asked, now)
  for _ = 1, 2 * FORESEEN do
    if missing == 0 or place == FORESEEN or #lines == 0 then break end
    local line = table.remove(lines, 1)
    if line.taken == 0 then line.length, line.priority = redis.call('ZCARD', LINE_PREFIX .. line.owner), priority_of(line.owner) end
    local id = asked[line.owner] and asked[line.owner][line.taken]
    line.taken = line.taken + 1
    if id then places[id], missing = place + (line.held and line.taken or 1), missing - 1 end
    if not line.held then place, now = place + 1, clock_after(line.turn, now) end
    line.turn = turn_after(line.turn, now, line.priority)
    if line.taken < line.length then insert(lines, line) end
  end
  return places
end

local views, asked, waiting = {}, {}, 0
for at, id in ipairs(ARGV) do
  local view = redis.call('HMGET', key(id), 'record', 'owner', 'state', 'progress', 'error', 'picture', 'verdict')
  local owner = view[2]
  local before = view[3] == 'IN_QUEUE' and redis.call('ZRANK', LINE_PREFIX .. owner, id)
  if before then
    asked[owner] = asked[owner] or {}
    asked[owner][before] = id
    waiting = waiting + 1
  end
  view[8] = before
  views[at] = view
end
if waiting > 0 then
  local places = foresee(asked, waiting)
  for at, id in ipairs(ARGV) do
    if views[at][8] then
      views[at][8] = places[id] or math.max(FORESEEN, redis.call('ZRANK', WAITING, id) or 0) + 1
    end
  end
end
return views
