-- of each bucket four: its name, tokens that come back in a ms, most tokens, tokens wanted
-- -> of each three: tokens taken, ms until there is one (0 where any was taken), whole tokens left
local answers = {}
for at = 1, #ARGV, 4 do
  local taken, wait_ms, left = take(ARGV[at], tonumber(ARGV[at + 1]), tonumber(ARGV[at + 2]), tonumber(ARGV[at + 3]))
  answers[#answers + 1] = taken
  answers[#answers + 1] = wait_ms
  answers[#answers + 1] = left
end
return answers
