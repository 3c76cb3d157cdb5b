import hashlib
import os
import random
import time

import redis
from flask import Flask, abort, jsonify, redirect, render_template_string, request

app = Flask(__name__)
# Waits for a free connection instead of opening more and more.
pool = redis.BlockingConnectionPool.from_url(os.environ.get("REDIS_URL", "redis://localhost:6379/0"),
                                             max_connections=8, timeout=20, decode_responses=True)
db = redis.Redis(connection_pool=pool)
SEED = int(os.environ.get("SEED_LINKS", 500))
WORDS = ("harbour bridge tower market garden river station library museum theatre canal bakery museum square school"
         " street corner window kitchen morning evening summer winter letter paper story number table").split()


def code_of(url):
    return hashlib.sha256(url.encode()).hexdigest()[:7]


def make_preview(url):
    rng = random.Random(url)
    size = rng.randint(1000, 8000)
    text = []
    while size > 0:
        text.append(rng.choice(WORDS))
        size -= len(text[-1]) + 1
    return " ".join(text)


def store(url):
    code = code_of(url)
    with db.pipeline() as pipe:
        pipe.set("url:" + code, url).set("preview:" + code, make_preview(url)).sadd("codes", code)
        pipe.execute()
    return code


def seed():
    """Wait for Redis; the first worker to come fills it."""
    for attempt in range(60):
        try:
            if db.set("seeded", 1, nx=True):
                for i in range(SEED):
                    store(f"https://example.org/pages/{i}")
            return
        except redis.RedisError as err:
            print(f"cache not ready ({err}), attempt {attempt + 1}", flush=True)
            time.sleep(1)
    raise RuntimeError("no connection to the cache")


seed()


def several(codes):
    if not codes:
        return []
    urls = db.mget(["url:" + c for c in codes])
    previews = db.mget(["preview:" + c for c in codes])
    return [(c, u, p) for c, u, p in zip(codes, urls, previews) if u and p]


PAGE = """<!DOCTYPE html><html><head><title>Shortener</title></head><body>
<h1><a href="/">Shortener</a></h1>
<form action="/links" method="post"><input name="url" value="https://example.org/"><button>Shorten</button></form>
{% if text %}<h2>{{ url }}</h2><p>{{ text }}</p><p><a href="/api/{{ code }}">JSON</a></p><h3>Similar</h3>{% endif %}
<ul>{% for c, u, p in links %}<li><a href="/p/{{ c }}">{{ c }}</a> {{ u }}<br>{{ p[:160] }}</li>{% endfor %}</ul>
<p><a href="/stats">hits</a></p></body></html>"""


@app.get("/")
def index():
    return render_template_string(PAGE, links=several(db.srandmember("codes", 10)))


@app.get("/p/<code>")
def preview(code):
    found = several([code])
    if not found:
        abort(404)
    db.zincrby("hits", 1, code)
    _, url, text = found[0]
    return render_template_string(PAGE, code=code, url=url, text=text, links=several(db.srandmember("codes", 4)))


@app.get("/api/<code>")
def api(code):
    found = several([code])
    if not found:
        return jsonify(error="no such link"), 404
    hits = db.zincrby("hits", 1, code)
    return jsonify(code=code, url=found[0][1], preview=found[0][2], hits=int(hits))


@app.get("/stats")
def stats():
    return jsonify(links=db.scard("codes"), top=[{"code": c, "hits": int(n)} for c, n in
                                                 db.zrevrange("hits", 0, 19, withscores=True)])


@app.post("/links")
def shorten():
    url = (request.form.get("url") or "").strip()[:2000]
    if not url.startswith(("http://", "https://")):
        return jsonify(error="url must start with http:// or https://"), 400
    return redirect("/p/" + store(url), code=303)


@app.errorhandler(redis.RedisError)
def cache_trouble(err):
    app.logger.warning("cache: %s", err)
    return jsonify(error="the cache is busy, try again"), 503
