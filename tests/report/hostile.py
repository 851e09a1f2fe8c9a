"""Mails that try to run, load, navigate, submit, or look like something else."""

from __future__ import annotations

from tests.report.records import content

PARTS = (
    "<script>top.pwned = 1; fetch('{url}/fetch')</script>",
    "<img src=x onerror=\"top.pwned = 1; new Image().src='{url}/onerror'\">",
    "<svg onload='top.pwned=1'><image href='{url}/svg-image' xlink:href='{url}/svg-image'/>"
    "<use href='{url}/svg-use#x'/><a href='{url}/svg-a'><animate attributeName='href' to='{url}/animate'/>"
    "<text y='20'>svg link</text></a><script>top.pwned=1</script><foreignObject><iframe "
    "src='{url}/svg-iframe'>"
    "</iframe></foreignObject></svg>",
    "<iframe src='{url}/iframe'></iframe><iframe srcdoc=\"<script>top.pwned=1</script><iframe "
    "src='{url}/in'>\">"
    "</iframe>",
    "<frameset><frame src='{url}/frame'></frameset>",
    "<object data='{url}/object'></object><embed src='{url}/embed'><applet code='{url}/applet'></applet>",
    "<portal src='{url}/portal'></portal><fencedframe src='{url}/fenced'></fencedframe>",
    "<template shadowrootmode='open'><iframe src='{url}/shadow'></iframe><img "
    "src='{url}/shadow-img'></template>",
    "<noscript><iframe src='{url}/noscript'></iframe></noscript>",
    "<math><mtext><table><mglyph><style><!--</style><iframe "
    "src='{url}/mxss'></iframe>--></style></mglyph></table>",
    "<form id=f action='{url}/form' method=post><input name=a autofocus onfocus='top.pwned=1'>"
    "<button formaction='{url}/formaction'>Send</button></form>",
    "<video src='{url}/video' poster='{url}/poster' autoplay></video><audio src='{url}/audio' "
    "autoplay></audio>",
    "<picture><source srcset='{url}/source'><img src='{url}/img' srcset='{url}/srcset 2x'></picture>",
    "<table background='{url}/background'><tr><td style='background:url({url}/style)'>x</td></tr></table>",
    "<input type=image src='{url}/input'><img src='//127.0.0.1:{port}/scheme-relative'>",
    "<a href='javascript:top.pwned=1'>script link</a> <a href='{url}/link' ping='{url}/ping' "
    "target=_top>link</a>"
    "<a href='{url}/blank' target=_blank>blank</a> <map name=m><area href='{url}/area' shape=default></map>"
    "<img usemap='#m' width=50 height=50 alt=map>",
    "<details open ontoggle='top.pwned=1'><summary>x</summary></details><marquee "
    "onstart='top.pwned=1'>x</marquee>",
    "<style>@import '{url}/import'; @font-face {{ font-family: f; src: url({url}/font) }}"
    " body {{ font-family: f; background: url({url}/css) }} :visited {{ background: "
    "url({url}/visited) }}</style>",
    "<xmp><iframe src='{url}/xmp'></iframe></xmp><!--><iframe src='{url}/comment'></iframe>-->",
)
HEAD = (
    "<meta http-equiv=refresh content='0;url={url}/refresh'><base href='{url}/base/' target=_top>"
    "<link rel=stylesheet href='{url}/stylesheet'><link rel=prefetch href='{url}/prefetch'>"
    "<link rel=preconnect href='{url}'><link rel=dns-prefetch href='{url}'><link rel=preload "
    "as=image href='{url}/p'>"
    "<link rel=prerender href='{url}/prerender'><link rel=modulepreload href='{url}/module'>"
    "<link rel=icon href='{url}/icon'><link rel=manifest href='{url}/manifest'>"
    "<meta http-equiv=Content-Security-Policy content=\"default-src *\">"
    "<script type=speculationrules>{{\"prefetch\": [{{\"urls\": [\"{url}/speculation\"]}}]}}</script>"
)  # fmt: skip


def hostile_mails(port: int) -> dict[str, bytes]:
    """Return mails by name; whatever they load is on that port of loopback."""
    url = f"http://127.0.0.1:{port}"

    def html(markup: str) -> str:
        return markup.format(url=url, port=port)

    mails = {
        f"part {number}": content(f"part {number}", None, f"<p>Hello</p>{html(part)}<p>after</p>")
        for number, part in enumerate(PARTS)
    }
    everything = (
        f"<html><head>{html(HEAD)}</head><body onload='top.pwned=1'>{''.join(map(html, PARTS))}</body></html>"
    )
    mails["head"] = content("head", None, f"<html><head>{html(HEAD)}</head><body>Hello</body></html>")
    mails["everything"] = content("everything", "text", everything, attachments(url))
    mails["</script><img src=x onerror=top.pwned=1>"] = content(
        "</script><img src=x onerror=top.pwned=1>", "x"
    )
    mails["bidi"] = content(
        "invoice \u202efdp.exe", "a\u202eb", None, (("\u202efdp.exe", "text/html", b"x", None),)
    )
    return mails


def attachments(url: str) -> tuple[tuple[str, str, bytes, str | None], ...]:
    """Return attachments that would be a page if they were opened as what they say they are."""
    page = f"<script>top.pwned=1;location='{url}/attachment'</script>".encode()
    picture = (
        f"<svg xmlns='http://www.w3.org/2000/svg' onload='top.pwned=1'><image href='{url}/x'/></svg>".encode()
    )
    return (
        ("../../x.html", "text/html", page, None),
        ("..\\..\\con.hta", "application/hta", page, None),
        ("picture.svg", "image/svg+xml", picture, "svg"),
        ("", "text/html", page, None),
    )
