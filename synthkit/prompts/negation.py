"""Words that deny what comes next or before: "not very good", "不是", "ではない", "değil".

A list of common forms in some thirty languages. It serves to reject an answer that denies a label,
so a form that is missing costs a wrong label, and one too many a row.
"""

from __future__ import annotations

import re

_WORDS = (
    # English, German, Dutch, Scandinavian
    "not|never|no|non|neither|nor|without|hardly|cannot|nothing|isnt|dont|doesnt|aint"
    "|nicht|kein|keine[nmrs]?|nie|niemals|weder|ohne|niet|geen|nooit|inte|ej|ikke|ikkje|ingen"
    # French, Spanish, Portuguese, Italian, Catalan, Romanian
    "|pas|(?<!un )peu|jamais|aucun|aucune|ni|sans|nunca|tampoco|nada|sin|não|nao|nem|sem|mai|né"
    "|senza|nu"
    # Slavic languages, Finnish, Hungarian, Greek, Baltic languages
    "|не|нет|ни|ні|вряд ли|без|немає|няма|nie|ne|není|nije|nem|nincs|ei|eikä|δεν|δε|όχι|μη|nav|nėra"
    # Indonesian, Vietnamese, Filipino, Swahili
    "|tidak|bukan|không|chưa|chẳng|chả|hindi|si|sio"
    # Arabic, Persian, Hebrew, Hindi, Urdu
    "|ليس|ليست|غير|لا|لم|لن|بدون|غیر|نه|לא|אינו|אינה|אין|בלי|नहीं|नही|न|ना|نہیں"
)
_FILLERS = (
    "a|an|any|the|very|really|so|too|that|this|quite|at|all|entirely|exactly|necessarily|truly"
    "|particularly|clearly|completely|fully|only|just|simply|explicitly|actually|overly|purely"
    "|strictly|especially|merely|be|been|being|is|are|was|it|its|it's|as|to|of|considered|classified"
    "|labell?ed|call(?:ed)?|clear|looks?|sounds?|feels?|say|says|think|believe|find|see|sure|certain"
    "|if|whether|rated|review|text|sentiment|seem|seems|appear|sehr|ganz|wirklich|besonders|eine?[nmrs]?|ist|zo|erg|heel|een"
    "|wirkt|scheint|klingt|lijkt|semble|paraît|parece|sembra|wydaje|się|кажется|выглядит"
    "|très|vraiment|du|tout|de|un|une|est|si|es|está|muy|una|uno|realmente|tan|é|muito|um|uma|è|molto"
    "|är|er|så|särskilt|meget|очень|является|совсем|это|дуже|jest|bardzo|είναι|πολύ|ada|terlalu"
    "|phải|là|hề|rất|بشكل|يكن|تكن|يكون|تكون|يبدو|تبدو|يعد|يعتبر|هذا|هذه|النص|التقييم|خیلی"
    "|נראה|נראית|זה|מאוד|बहुत|ही|yang"
)
_QUOTES = r"[\s\"'“”„‘’«»「」『』《》*_`(\[]*"
_BEFORE = re.compile(
    rf"(?:(?<!\w)(?:{_WORDS})|n['’]t)(?:\s+(?:{_FILLERS})){{0,6}}(?:\s+|-|\u2010){_QUOTES}$"
    rf"|(?:rather than|instead of|other than|anything but|far from|opposed to)"
    rf"(?:\s+(?:{_FILLERS})){{0,3}}\s+{_QUOTES}$"
)
_BEFORE_UNSPACED = re.compile(
    # Chinese and Japanese
    "(?:不|非|没有?|沒有?|无|無|未|否|反|绝非|絕非)(?:是|太|很|够|夠|算|怎么|那么|那麼|会|會|能|被|属于|屬於|应|應"
    "|该|該|完全|一定|像|具有|带有|帶有|包含|认为|認為|一条|一個|一个|个|一种|一種|存在|任何|明显|明顯|有|为|為|特别|特別)"
    # Thai, Lao, Khmer, Burmese
    f"{{0,3}}{_QUOTES}$|ไม่(?:ใช่|ได้|เป็น|มี|ค่อย|น่า|คิดว่า|รู้สึก|ถือว่า|เชิง|ความรู้สึก|ความเห็น){{0,3}}{_QUOTES}$"
    f"|ບໍ່(?:ແມ່ນ|ເປັນ|ມີ){{0,2}}{_QUOTES}$|(?:មិន|អត់)(?:មែន|មាន|ជា|សូវ){{0,3}}{_QUOTES}$|မ{_QUOTES}$"
)
_AFTER = re.compile(
    r"[\"'”’»*_`)\]]*\s+(?:is|was|are|does|would(?: be)?|can|seems?)"
    r"(?:\s*n['’]t\b|\s+not\b|\s+(?:wrong|incorrect|false|out)\b)"
    r"|[\"'”»*_`]*\s+ist\s+(?:es\s+|das\s+)?nicht"
    # Turkish, Azerbaijani, Persian, Urdu, Hindi, Bengali, Marathi, Tamil, Telugu, Kannada, ...
    r"|[\"'”»*_`]*\s+(?:bir\s+)?(?:\w+\s+)?(?:değil\w*|deyil\w*|olma\w+|olmuyor"
    r"|say[ıi]lma\w*|görünm\w+|емес\w*|эмес\w*|نیست|نبود|نباشد|نمی\u200c?\w+|نہیں|नहीं|नाही|না|নয়"
    r"|இல்லை|அல்ல|కాదు|లేదు"
    r"|ಅಲ್ಲ|ಇಲ್ಲ|അല്ല|ഇല്ല|નથી|ਨਹੀਂ|නොවේ|නැත|emas\w*)(?!\w)"
    # Korean
    "|[\"'”’]*(?:적)?(?:인|이|은|는|이지|하지|지|하지는|이지는|지는)?\\s*(?:것은|것이|게|건)?\\s*(?:아니|아닌|아님|아닙|아냐|않|없|못)"
    # Japanese, Burmese
    '|["”」』]*(?:的|な|だ|的な)?(?:感情|評価|内容|意見|もの|レビュー)?(?:では|じゃ|とは|で|は|が|と|く)?'
    "(?:あり|言え|いえ|言い|思え|思い)?(?:ま)?(?:ない|なく|せん|無い|なかっ|なし)|မဟုတ်"
)


def is_denied(before: str, after: str) -> bool:
    """Whether folded text before or after a word denies it.

    >>> is_denied("it is not very ", ", i think"), is_denied("no, it is ", "")
    (True, False)
    >>> is_denied("", "ではありません"), is_denied("这不是", "的"), is_denied("这是非常", "的")
    (True, True, False)
    """
    return bool(_BEFORE.search(before) or _BEFORE_UNSPACED.search(before) or _AFTER.match(after))
