-- ids -> for each the fields of store.py's view, and its rank among the waiting ones if it waits
local views = {}
for at, id in ipairs(ARGV) do
  local view = redis.call('HMGET', key(id), 'record', 'owner', 'state', 'progress', 'error', 'picture', 'verdict')
  view[8] = view[3] == 'IN_QUEUE' and redis.call('ZRANK', WAITING, id)
  views[at] = view
end
return views
