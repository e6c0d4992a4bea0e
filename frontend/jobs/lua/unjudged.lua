-- id -> 1 if the job has now failed because no verdict came before its deadline
local id = ARGV[1]
if get(id, 'state') ~= 'REVIEWING' or now_ms() < tonumber(get(id, 'deadline')) then return 0 end
finish(id, 'FAILED', 'Compliance review unavailable')
return 1
