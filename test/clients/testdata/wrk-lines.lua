-- Posts ten lines a request, no two of which are alike, every other body with the option input.
local threads = 0
function setup(thread)
   threads = threads + 1
   thread:set("id", threads)
end

local n = 0
function request()
   local lines = {}
   for i = 0, 9 do
      lines[#lines + 1] = string.format("wrk,thread=%d n=%di,f=0.5,s=[1i,2i] %d", id, n * 10 + i, 1700001000000000000 + n * 10 + i)
   end
   n = n + 1
   local path = "/v1/write/metric?precision=n"
   if n % 2 == 0 then
      path = path .. "&input=wrk"
   end
   return wrk.format("POST", path, { ["Content-Type"] = "text/plain" }, table.concat(lines, "\n") .. "\n")
end

function done(summary)
   local e = summary.errors
   io.write(string.format("said %d %d %d\n", summary.requests, e.status, e.connect + e.read + e.write + e.timeout))
end
