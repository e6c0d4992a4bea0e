-- id, token of the start, message -> 1 if the job has failed by this attempt
local id, token, message = unpack(ARGV)
if not holds(id, token) then return 0 end
finish(id, 'FAILED', message)
return 1
