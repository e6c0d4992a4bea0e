-- id, attempt, message -> 1 if the job has failed by this attempt
local id, attempt, message = unpack(ARGV)
if not holds(id, attempt) then return 0 end
finish(id, 'FAILED', message)
return 1
