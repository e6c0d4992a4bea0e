-- seconds of a key's own rate that are its burst, blocks of a burst; then of each secret four: its SHA-256, tokens of
-- requests that come back in a ms and most of them, where the key has no rate of its own, requests that wait for them
-- -> of each four: the key's record (nothing: there is none), and of its tokens as take_tokens.lua has it
local burst_s, blocks = tonumber(ARGV[1]), tonumber(ARGV[2])
local answers = {}
for at = 3, #ARGV, 4 do
  local raw = redis.call('HGET', KEYS, ARGV[at])
  local key = raw and cjson.decode(raw)
  local taken, wait_ms, left = 0, 0, 0
  if key and not key.disabled then
    local per_ms, most = tonumber(ARGV[at + 1]), tonumber(ARGV[at + 2])
    if key.rate and key.rate > 0 then per_ms, most = key.rate / 1000, math.max(1, math.ceil(key.rate * burst_s)) end
    local wanted = math.max(1, math.floor(most / blocks), tonumber(ARGV[at + 3]))
    taken, wait_ms, left = take(key.id .. ':requests', per_ms, most, wanted)
  end
  answers[#answers + 1] = raw
  answers[#answers + 1] = taken
  answers[#answers + 1] = wait_ms
  answers[#answers + 1] = left
end
return answers
