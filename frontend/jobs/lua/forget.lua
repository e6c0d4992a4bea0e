-- consumer -> 1 if it held nothing and is gone
local wanted = ARGV[1]
return forget_consumers(function(name, _) return name == wanted end)
