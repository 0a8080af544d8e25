-- Holds the client, submits, polls at a fixed interval, answers, with HAProxy's own client.
local function is_running(body)
    return body ~= nil and body:find('"status":"processing"', 1, true) ~= nil
end

core.register_service("hold", "http", function(applet)
    local sent = applet.headers
    local headers = {
        ["authorization"] = { sent["authorization"] and sent["authorization"][0] or "" },
        ["content-type"] = { "application/json" },
    }
    local origin = "http://@UPSTREAM@"
    local answer = core.httpclient():post{
        url = origin .. "/async" .. applet.path, headers = headers, body = applet:receive(),
    }
    local id = is_running(answer.body) and answer.body:match('"request_id":"([^"]+)"')
    if id then
        local polled = { url = origin .. "/async/result/" .. id, headers = headers }
        repeat
            core.msleep(@MILLISECONDS@)
            answer = core.httpclient():get(polled)
        until not is_running(answer.body)
    end
    local body = answer.body or ""
    applet:set_status(answer.status)
    applet:add_header("content-type", "application/json")
    applet:add_header("content-length", #body)
    applet:start_response()
    applet:send(body)
end)
