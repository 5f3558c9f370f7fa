"""What a browser makes of two pages of trace-report: drives chromium over a pipe.

usage: browser.py FOLDER PAGE PAGE; lines "what value [value]", which trace-report.t reads
"""
import base64, json, os, subprocess, sys

folder, pages = sys.argv[1], sys.argv[2:]
down, up = os.pipe(), os.pipe()
command = ["chromium", "--headless", "--disable-gpu", "--remote-debugging-pipe", "--no-first-run",
           "--disable-background-networking", "--user-data-dir=" + folder + "/profile"]
if os.geteuid() == 0:
    command.append("--no-sandbox")
browser = subprocess.Popen(["sh", "-c", 'in=$1 out=$2; shift 2; eval "exec \\"\\$@\\" 3<&$in 4>&$out"', "sh", str(down[0]), str(up[1])] + command,
                           pass_fds=(down[0], up[1]), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
os.close(down[0])
os.close(up[1])
events, buffered, number, session = [], b"", 0, None


def message():
    global buffered
    while b"\0" not in buffered:
        more = os.read(up[0], 1 << 20)
        if not more:
            sys.exit("chromium has gone")
        buffered += more
    one, buffered = buffered.split(b"\0", 1)
    return json.loads(one)


def call(method, **params):
    global number
    number += 1
    m = {"id": number, "method": method, "params": params}
    if session:
        m["sessionId"] = session
    os.write(down[1], json.dumps(m).encode() + b"\0")
    while True:
        got = message()
        if got.get("id") == number:
            if "error" in got:
                sys.exit("%s: %s" % (method, got["error"]))
            return got["result"]
        events.append(got)


def go(page):
    events.clear()
    call("Page.navigate", url="file://%s/%s" % (folder, page))
    while not any(e.get("method") == "Page.loadEventFired" for e in events):
        events.append(message())


def js(text):
    got = call("Runtime.evaluate", expression=text, returnByValue=True)
    if "exceptionDetails" in got:
        sys.exit("%s: %s" % (text, got["exceptionDetails"]))
    return got["result"].get("value")


def seen(*methods):
    return [e for e in events if e.get("method") in methods]


SORTS = """(function () {
	var t = document.querySelector('[aria-label="Picks of each expert"] table'),
		i = [].findIndex.call(t.tHead.rows[0].cells, function (c) { return c.textContent === 'n' }), b = t.tHead.rows[0].cells[i].querySelector('[role=button]');
	function up(sign) { b.click(); var v = [].map.call(t.tBodies[0].rows, function (r) { var c = r.cells[i]; return +(c.title || c.textContent) });
		return v.every(function (x, k) { return !k || sign * (x - v[k - 1]) >= 0 }) && v[0] !== v[v.length - 1] }
	return [up(1), up(-1)] })()"""
FILTER = """(function () {
	var l = document.querySelector('[aria-label="Picks of each expert"]').parentNode.querySelector('label'), n = l.querySelector('input');
	n.value = 'expert=2 n>=0'; n.dispatchEvent(new Event('input'));
	return l.querySelector('span').textContent + '|' + l.parentNode.querySelectorAll('tbody tr:not([hidden])').length })()"""
HEAT = "var s = [].find.call(document.querySelectorAll('svg[tabindex]'), function (s) { return /layer by/.test(s.getAttribute('aria-label')) });"

try:
    target = call("Target.createTarget", url="about:blank")["targetId"]
    session = call("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
    for domain in ("Page", "Network", "Runtime", "Log"):
        call(domain + ".enable")
    out = {}

    def add(key, value):
        out.setdefault(key, []).append(str(value).lower() if isinstance(value, bool) else str(value))

    for page in pages:
        go(page)
        add("figures", js("[].filter.call(document.querySelectorAll('figure svg'), function (s) { var b = s.getBBox(); return b.width > 50 && b.height > 20 }).length"))
        for key, value in zip(("sorted", "falls"), js(SORTS)):
            add(key, value)
        if page == pages[0]:
            add("filter", js(FILTER))
            add("pointer", js(HEAT + "s.querySelector('g path').dispatchEvent(new PointerEvent('pointerover', {bubbles: true})); s.parentNode.querySelector('output').textContent"))
            add("keys", js(HEAT + "s.focus(); s.dispatchEvent(new KeyboardEvent('keydown', {key: 'ArrowRight'})); s.parentNode.querySelector('output').textContent"))
        add("console", len(seen("Runtime.consoleAPICalled", "Runtime.exceptionThrown", "Log.entryAdded")))
        add("requests", len([e for e in seen("Network.requestWillBeSent") if e["params"]["request"]["url"] != "data:,"]))
    call("Emulation.setScriptExecutionDisabled", value=True)
    go(pages[0])
    add("plain", js("document.querySelectorAll('figure svg').length"))
    add("plain", js("document.querySelectorAll('table').length"))
    add("plain", js("document.querySelectorAll('label, th [role=button]').length"))
    add("plain", js("document.querySelector('details[open] td').getClientRects().length === 1"))
    background = "getComputedStyle(document.body).backgroundColor"
    dark = [{"name": "prefers-color-scheme", "value": "dark"}]
    for media in ("screen", "print"):
        call("Emulation.setEmulatedMedia", media=media, features=dark)
        add("dark", js(background))
    add("pdf", base64.b64decode(call("Page.printToPDF")["data"])[:4].decode())
    for key, values in out.items():
        print(key, *values)
    session = None
    call("Browser.close")
    browser.wait(20)
finally:
    if browser.poll() is None:
        browser.kill()
        browser.wait()
