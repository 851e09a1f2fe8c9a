"""Charset labels: the names under which mailers know a charset, and Python's codec for each.

WHATWG Encoding Standard 4.2 (names and labels), the IANA registry of character sets, RFC 1556 (iso-8859-8-i).
Python knows most labels itself; the table holds those that it lacks. Labels are compared by their letters
and digits alone, so "ks_c_5601-1989" and "KSC5601-1989" are one.
"""

from __future__ import annotations

import codecs
import re
from functools import lru_cache

__all__ = ["X_USER_DEFINED", "text_codec"]

# What WHATWG calls so has no codec in Python: octets above 127 are characters from U+F780 on.
X_USER_DEFINED = "x-user-defined"

# codec -> labels, in letters and digits
_LABELS = {
    "ascii": "iso10646ucsbasic csunicodeascii",
    "utf-8": "csutf8 unicode11utf8 unicode20utf8 xunicode20utf8 utf8mb4",
    "utf-7": "csutf7 csunicode11utf7 unicode20utf7",
    "utf-16": "csutf16",
    "utf-16-le": "csutf16le csunicode iso10646ucs2 ucs2 unicode unicodefeff",
    "utf-16-be": "csutf16be unicodefffe unicode11 csunicode11",
    "utf-32": "csutf32",
    "utf-32-be": "csutf32be iso10646ucs4 csucs4 ucs4",
    "utf-32-le": "csutf32le",
    "iso8859-1": "iso88591",
    "iso8859-2": "iso88592",
    "iso8859-3": "iso88593",
    "iso8859-4": "iso88594",
    "iso8859-5": "iso88595",
    "iso8859-6": "iso88596 iso88596e iso88596i csiso88596e csiso88596i",
    "iso8859-7": "iso88597 suneugreek",
    "iso8859-8": "iso88598 iso88598e iso88598i csiso88598e csiso88598i logical visual",
    "iso8859-9": "iso88599",
    "iso8859-10": "iso885910",
    "iso8859-13": "iso885913 csiso885913",
    "iso8859-14": "iso885914 csiso885914",
    "iso8859-15": "iso885915 csiso885915 csisolatin9 latin9",
    "iso8859-16": "iso885916 csiso885916",
    "koi8-r": "koi koi8",
    "koi8-u": "koi8ru cskoi8u",
    "kz1048": "cskz1048",
    "hp-roman8": "cshproman8",
    "cp858": "ibm00858 ccsid00858 pcmultilingual850euro csibm00858",
    "cp874": "windows874 cswindows874 dos874 iso885911 tis620 cstis620 tis6200 tis62025290",
    "cp1140": "ibm01140 ccsid01140 ebcdicus37euro csibm01140",
    "cp1250": "windows1250 cswindows1250 xcp1250 iso88592windowslatin2 cswindows31latin2",
    "cp1251": "windows1251 cswindows1251 xcp1251 win1251",
    "cp1252": "windows1252 cswindows1252 xcp1252 iso88591windows30latin1 cswindows30latin1"
    " iso88591windows31latin1 cswindows31latin1 xansi",
    "cp1253": "windows1253 cswindows1253 xcp1253",
    "cp1254": "windows1254 cswindows1254 xcp1254 iso88599windowslatin5 cswindows31latin5",
    "cp1255": "windows1255 cswindows1255 xcp1255",
    "cp1256": "windows1256 cswindows1256 xcp1256",
    "cp1257": "windows1257 cswindows1257 xcp1257",
    "cp1258": "windows1258 cswindows1258 xcp1258",
    "mac-roman": "mac csmacintosh xmacroman",
    "mac-cyrillic": "xmaccyrillic xmacukrainian xmacukraine",
    "mac-greek": "xmacgreek",
    "mac-turkish": "xmacturkish",
    "mac-iceland": "xmacicelandic",
    "mac-latin2": "xmacce xmaccentraleurroman",
    "mac-croatian": "xmaccroatian",
    "mac-romanian": "xmacromania xmacromanian",
    "gb2312": "gb2312 gb231280 csgb2312 xgb2312",
    "gbk": "windows936 csgbk xgbk",
    "gb18030": "csgb18030 windows54936",
    "cp950": "windows950 xwindows950",
    "big5hkscs": "big5 csbig5 cnbig5 xxbig5 xbig5 big5eten csbig5hkscs",
    "euc_kr": "euckr cseuckr isoir149 ksc5601 ksc56011987 ksc56011989 csksc56011987 xeuckr",
    "cp949": "windows949 xwindows949 cswindows949 xuhc",
    "johab": "xjohab",
    "shift_jis": "xsjis jisx0201 x0201 cshalfwidthkatakana xmacjapanese",
    "cp932": "windows31j cswindows31j windows932 xms932",
    "euc_jp": "extendedunixcodepackedformatforjapanese cseucpkdfmtjapanese xeucjp xeuc cp51932 cscp51932",
    "iso2022_jp": "jisencoding csjisencoding cp50220 cscp50220 cp50221 cp50222 iso2022jpms",
    "iso2022_jp_2": "csiso2022jp2",
    X_USER_DEFINED: "xuserdefined",
}
_CODECS = {label: codec for codec, labels in _LABELS.items() for label in labels.split()}
_PUNCTUATION = re.compile(r"[^0-9a-z]+")
# Codecs that Python lists among those of text but that are none of MIME's (some warn, some are quadratic).
_NOT_CHARSETS = frozenset(
    {"idna", "punycode", "undefined", "unicode_escape", "raw_unicode_escape", "mbcs", "oem"}
)


@lru_cache(maxsize=256)
def text_codec(charset: str) -> str | None:
    """Return the name of Python's codec for a charset label, or None where there is none.

    `X_USER_DEFINED` is the one name that Python does not know.
    """
    label = charset.strip(" \t'\"")
    known = _CODECS.get(_PUNCTUATION.sub("", label.lower())) if len(label) <= 60 else None
    if known is not None:
        return known
    try:
        name = codecs.lookup(label).name
        "".encode(name)  # a LookupError for codecs that do not make octets of text
    except (LookupError, ValueError, TypeError):
        return None
    return None if name.replace("-", "_") in _NOT_CHARSETS else name
