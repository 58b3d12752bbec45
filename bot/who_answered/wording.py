"""Wordings of machines, in English and Vietnamese; the texts are normalised (`bot.understanding.text`)."""

from __future__ import annotations

import re
from typing import Final

_MACHINE = (
    r"(?:voice ?mail(?: box)?|mail ?box|answering machine|answering service|voice message(?: system)?|message bank)"
)
_SPAN = r"(?:[^\W_]|['-])+"
_TONE = r"(?:tone|beep|signal|bleep)"

#: A person who offers, asks or tells of a message; their words are those of machines.
PERSON: Final = re.compile(
    r"\bwould you like\b|\bdo you (?:want|wish)\b"
    r"|\b(?:can|may|shall|could) (?:i|we) (?:\w+ ){0,2}?(?:ask|have|take|get|give|tell|pass|help|know)\b"
    r"|\b(?:can|could|would|will) you\b|\bhow (?:can|may) i help\b|\bwhat (?:can|may) i do for you\b|\bwith me\b"
    r"|\bfor (?:him|her|them)\b"
    r"|\b(?:do|did) you (?:leave|get|say|press|call)\b|(?<!tell me )(?<!say )(?<!state )\bwho is (?:this"
    r"|that|calling|speaking|there)\b|\bdo not leave\b"
    r"|\bi (?:got|heard|listened)\b|\bare you (?:a|an|the)\b|\bspeaking\W*$"
    r"|\b(?:he|she) is\b|\bmy (?:wife|husband|father|mother|dad|mom|mum|son|daughter|brother|sister|boss|colleague)\b"
    r"|\bbạn có muốn\b|\bcó muốn\b|\bai (?:đấy|đó|vậy|thế|gọi)\b|\bđược không\b|\bnghe đây\b|\btôi nghe\b"
)
#: Of these, what tells a person before the sentence is over.
ONLY_PERSON: Final = re.compile(
    r"\bhow (?:can|may) i help\b|\bwho is (?:this|that|calling|speaking|there)\W*$|\bwould you like\b"
    r"|\bwhat (?:can|may) i do for you\b|\b(?:can|may) i help you\b"
    r"|\b(?:can|may|shall|could) (?:i|we) (?:give|take|tell|ask|pass)\b"
)
#: Wordings that only answering machines use.
VOICEMAIL: Final = re.compile(
    rf"\b(?:reached|forwarded to|transferred to|connected to|diverted to) (?:{_SPAN} ){{0,4}}?{_MACHINE}"
    rf"|\bthis is (?:the|my|our|{_SPAN}) (?:{_SPAN} ){{0,2}}?{_MACHINE}|\brecord (?:your|a|my) (?:\w+ )?message\b"
    rf"|\bwelcome to (?:{_SPAN} ){{0,3}}?{_MACHINE}"
    rf"|\b(?:after|at|following|wait for|hear|until) the (?:\w+ )?{_TONE}\b|\b(?:at|after) the sound of the {_TONE}\b"
    r"|\b(?:customer|subscriber|number|user|(?:person|party) you (?:are|have|were) (?:\w+ ){1,3}?)"
    r" ?(?:\w+ ){0,4}?(?:is|are|can) (?:currently |now )?"
    r"(?:not (?:available|reachable|be reached|in service|answering|able)|unavailable|switched off|busy|turned off)\b"
    r"|\b(?:number|mobile|phone) you (?:are|have|were)? ?(?:\w+ ){1,3}?(?:is|has been)"
    r" (?:not(?! accept)|disconnected|switched|turned|no longer|unavailable)\b"
    # Nobody picks up and begins so. Not of "the person you are calling", who may have a screener.
    r"|\A(?:(?:hello|hi|sorry|we are sorry|i am sorry)\b[ ,.!]*)*the (?:customer|subscriber|user|number"
    r"|(?:(?:mobile|cell) )?phone|mobile) you (?:are|have|were) (?:calling|called|dialed|dialled|trying to)\b"
    r"|\b(?:i am|we are) unable to (?:answer|take) your call\b"
    r"|\bcall (?:has been|is being|was) (?:forwarded|diverted|transferred to)\b"
    r"|\bwhen you (?:have|are) (?:finished|done) (?:recording|speaking)\b"
    r"|\b(?:you have|you've) reached\b.*\b(?:leave|message|tone|beep|not available|unavailable|can not"
    r"|not (?:home|here|in))\b"
    r"|\bpress (?:\w+ )?(?:for|to) (?:more|leave|send|deliver|re-?record)\b"
    r"|\b(?:i|we) (?:can|am|are) (?:\w+ )?(?:not|unable to) (?:\w+ )?(?:come to|get to|make it to"
    r"|be at) (?:the|my|our) (?:tele)?phone\b"
    r"|\b(?:i am|we are) (?:\w+ )?(?:not (?:here|home|in)|away from)\b.*\b(?:message|name|number)\b"
    r"|\b(?:i am|we are) (?:currently |probably )?away from (?:my|our|the) (?:phone|desk|telephone)\b"
    r"|\b(?:the|is) (?:voice ?mail|mail) ?box (?:of|for|is full|belonging)\b|\bmail ?box is (?:full|not)\b"
    r"|\bplease (?:speak|talk) after\b|\b(?:you|we) know what to do\b"
    r"|\b(?:has|have) (?:not set up|a voice ?mail ?box that)\b"
)
#: An order to leave a message, at the begin of a clause: people ask or offer.
ORDER: Final = re.compile(
    r"(?:^|[.,!;?] ?|\b(?:so|please|and|or|just|then|you can|but|to)\b ?)(?:please )?leave (?:me |us )?"
    r"(?:a (?:\w+ )?message|your (?:\w+ )?(?:message|name))\b(?! (?:with|for))"
)
#: Wordings of answering machines that people use as well; two of different kinds are a machine's.
LIKELY: Final = tuple(
    re.compile(pattern)
    for pattern in (
        rf"\b{_MACHINE}",
        r"\byou have reached\b",
        r"\b(?:is|am|are) (?:\w+ )?not available\b|\bnot available right now\b|\bunavailable\b"
        r"|\bplease try (?:again|your call) later\b|\bplease call (?:again )?later\b|\btry again later\b",
        r"\bleave (?!my\b)(?:\w+ ){0,3}?(?:message|name|number|voice message)\b",
        r"\bthe (?:person|number|customer|subscriber|party) you (?:are|have|were) (?:calling|dialed|dialled"
        r"|called|trying)\b",
        r"\b(?:has been|been|being) forwarded to\b",
        r"\b(?:get|getting) back to you\b|\breturn your call\b|\bcall you back\b|\bas soon as (?:i|we|possible)\b",
        r"\bcan not (?:take|come to|answer|get to)\b.*\bphone",
        r"\b(?:can not|unable to) (?:take|answer|pick up) (?:your|the) call\b"
        r"|\b(?:can not|unable to) (?:answer|pick up)\b",
        r"\bsorry (?:i|we) (?:have )?missed (?:your|you)\b",
        r"\bopening hours\b|\boffice hours\b|\bhours are\b|\b(?:currently|now|office is) closed\b",
    )
)
VOICEMAIL_VIETNAMESE: Final = re.compile(
    r"\bthuê bao quý khách\b|\bthuê bao (?:\w+ ){0,5}?(?:vừa gọi|tạm thời|không liên lạc|ngoài vùng)"
    r"|\b(?:xin|vui lòng|hãy) (?:quý khách |bạn |anh chị )?(?:vui lòng |hãy )?(?:để lại|ghi lại|nhắn lại) "
    r"(?:tên |số điện thoại |và )*(?:lời nhắn|tin nhắn|lời thoại)\b"
    r"|\b(?:đây là|đến|tới|vào|chuyển sang) hộp thư thoại\b|\bsau tiếng (?:bíp|bip|tít|tút|píp)\b|\bsau tín hiệu\b"
    r"|\btạm thời không liên lạc được\b|\bsố (?:máy|điện thoại) (?:này |mà )?quý khách vừa gọi\b"
    r"|\bquý khách vui lòng gọi lại sau\b|\bhiện không liên lạc được\b|\bngoài vùng phủ sóng\b"
    r"|\b(?:tôi|mình|chúng tôi) (?:hiện |hiện tại |hiện đang )?không (?:thể |có thể )?nghe (?:máy"
    r"|điện thoại)\b.*\b(?:để lại|nhắn)\b"
)
LIKELY_VIETNAMESE: Final = (
    re.compile(r"\bđể lại (?:lời nhắn|tin nhắn|lời thoại)\b"),
    re.compile(r"\bhộp thư thoại\b"),
    re.compile(r"\bvui lòng gọi lại sau\b"),
    re.compile(r"\bkhông (?:thể )?nghe máy\b"),
    re.compile(r"\bgọi lại (?:cho )?(?:bạn|quý khách|anh chị) (?:sau|ngay|sớm)\b"),
)
#: Recognition, and some speakers' keyboards, lose the marks.
VOICEMAIL_PLAIN: Final = re.compile(
    r"\bthue bao quy khach\b|\b(?:xin|vui long|hay) de lai (?:loi nhan|tin nhan)\b"
    r"|\bden hop thu thoai\b|\bso may quy khach\b"
)

_SCREENER = (
    r"(?:call screen(?:ing|er)?|screening (?:service|assistant|system)|call assist(?:ant)?|google assistant"
    r"|(?:virtual|digital|automated|automatic|personal|smart|ai|phone|bixby) (?:\w+ )?assistant|bixby text call"
    r"|call guard|call filter|google voice)"
)
#: An assistant that names itself may then ask as people do.
SCREENER: Final = re.compile(
    rf"\b(?:this is|you are (?:speaking|talking) (?:to|with)|using|uses|from|i am|it is|by|you have reached) "
    rf"(?:{_SPAN} ){{0,4}}?{_SCREENER}\b|\b(?:google voice|assistant) will try\b"
    r"|\bwill get a copy of this conversation\b"
)
SCREENING: Final = re.compile(
    r"\b(?:call|calls|number|person|subscriber|line|they) (?:\w+ ){0,3}?(?:is|are"
    r"|being) (?:being )?screen(?:ed|ing)\b"
    r"|\bscreen(?:s|ing)? (?:their|your|my|his|her|all|incoming|unknown|this|the) (?:\w+ )?calls?\b"
    r"|\b(?:state|record) your (?:full )?name\b(?! and (?:\w+ )?(?:number|message))"
    r"|\b(?:say|give|tell (?:me|us)|provide) your (?:full )?name (?:and|so|after|at|now|clearly"
    r"|then)\b(?! (?:\w+ )?(?:number|message))"
    r"|\b(?:say|state|record|announce|tell (?:me|us)) (?:\w+ )?(?:who you are|who is calling"
    r"|why you are calling|your reason)\b"
    r"|\breason for (?:your|the|this) call(?:ing)?\b.*\b(?:available|connect|connected|tone|beep|through|answer)\b"
    r"|\bthis person is available\b|\btry to connect you\b|\bbefore (?:i|we) (?:try to )?connect (?:you|your call)\b"
    r"|\bbefore (?:your call|you) (?:can be|is|are) (?:connected|put through)\b"
    r"|\bdoes not accept (?:calls from|unknown|unidentified|anonymous|private)\b"
)
SCREENING_VIETNAMESE: Final = re.compile(
    r"\b(?:xin|vui lòng|hãy|mời) (?:\w+ ){0,3}?(?:cho biết|nói|nêu|ghi âm"
    r"|xưng)(?: rõ)? (?:họ )?(?:và )?(?:tên|danh tính)"
    r"(?: \w+){0,4}? (?:lý do|lí do|mục đích)"
    r"|\btrợ lý (?:ảo|cuộc gọi|google|tự động|số)\b|\b(?:sàng lọc|lọc) cuộc gọi\b|\bđang sàng lọc\b"
    r"|\b(?:lý do|lí do|mục đích) (?:của )?(?:cuộc gọi|gọi).*\b(?:kết nối|nghe máy|sau tiếng)\b"
)

_KEY = (
    r"(?:zero|one|two|three|four|five|six|seven|eight|nine|ten|won|to|too|for|ate|\d+|star|pound|hash"
    r"|the \w+ key|any key)"
)
IVR: Final = re.compile(
    rf"\b(?:to|for|if) (?:{_SPAN}[ ,]+){{1,9}}?(?:please )?(?:press|dial|say|push) {_KEY}\b"
    rf"|\b(?:please )?(?:press|push|dial) (?:the )?(?:number |key )?{_KEY}[ ,]+(?:for|to|if|now|and)\b"
    rf"|\bpress (?:the )?(?:number |key )?{_KEY}\W*$"
    r"|\b(?:say or press|press or say)\b|\b(?:menu|options) (?:\w+ )?ha(?:ve|s) (?:\w+ )?changed\b|\bmain menu\b"
    r"|\blisten (?:carefully )?to (?:all )?(?:the|our) (?:\w+ )?(?:options|menu)\b"
    r"|\bfollowing (?:\w+ )?(?:options|menu)\b"
    r"|\b(?:please )?(?:choose|select) (?:\w+ )?(?:from|one of|an option|a language|your language)\b"
    r"|\b(?:enter|dial|say|know) (?:\w+ ){0,3}?(?:extension|account number|pin|customer number|card number)\b"
    r"|\bcalls? (?:may|will|might|is|are)(?: be)? (?:being )?(?:recorded|monitored)\b"
    r"|\b(?:agents?|representatives?|operators?|advisers?|advisors?|lines|associates) (?:are|is) (?:\w+ )?"
    r"(?:busy|assisting|helping|serving|unavailable|engaged)\b"
    r"|\byour call is (?:very )?important\b"
    r"|\bnext (?:available|free) (?:\w+ )?(?:agent|representative|operator|advis|person|associate)"
    r"|\byou are (?:\w+ )?(?:number|caller) (?:\w+ )?in (?:the )?(?:queue|line)\b"
    r"|\b(?:automated|automatic) (?:\w+ )?(?:attendant|system|service|operator)\b"
    r"|\bthank you for (?:calling|contacting)\b.*\b(?:please hold|stay on the line|your call)\b"
    r"|\b(?:stay on|hold) the line\b.*\b(?:answered|connected|transfer|assist|order|agent|representative|next)\b"
)
IVR_VIETNAMESE: Final = re.compile(
    r"\b(?<!tôi )(?<!em )(?<!anh )(?<!đã )(?:nhấn|bấm|ấn) (?:vào )?(?:phím|nút)\b"
    r"|\b(?:vui lòng|xin|hãy|để \w.*) (?:nhấn|bấm|ấn) (?:phím )?(?:số )?(?:không|một|hai|ba|bốn|năm|sáu|bảy"
    r"|tám|chín|\d|thăng|sao)\b"
    r"|\b(?:tổng đài viên|nhân viên|điện thoại viên|máy lẻ) (?:\w+ ){0,4}?(?:đang bận|đều bận)\b"
    r"|\b(?:quý khách )?(?:đã )?(?:gọi|kết nối) (?:đến|tới) tổng đài\b"
    r"|\bchào mừng (?:quý khách|bạn) (?:\w+ ){0,3}?(?:đến|tới)\b"
    r"|\bcuộc gọi (?:\w+ ){0,5}?(?:được|sẽ) (?:\w+ )?ghi âm\b|\b(?:quay|bấm|nhập) số (?:máy )?(?:nội bộ|lẻ)\b"
    r"|\bquý khách vui lòng (?:giữ máy|chờ)\b|\bxin (?:quý khách )?(?:vui lòng )?(?:giữ|đợi) máy\b.*\btổng đài\b"
)
#: A person tells of keys: "I pressed one", "should I press one?"
PERSON_PRESSES: Final = re.compile(
    r"\b(?:i|me to|you say|you said|we|should i) (?:\w+ )?(?:press(?:ed)?|dial(?:led|ed)?)\b"
)
