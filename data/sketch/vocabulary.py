"""The words of CRMs in several languages, as patterns for names and values in lower case.

A word is only a hint: how columns and tables relate decides before it, and what is taken is marked
in the file that is written. English, Italian, French, German, Spanish, Portuguese, Dutch, Persian.
"""

from __future__ import annotations

import re
from typing import Final, Literal

Meaning = Literal["won", "lost", "open"]

LOST: Final = (
    r"\blost\b|\bdead\b|fail|junk|disqualif|unqualif|reject|declin|cancel|abandon|bad fit|no sale"
    r"|churn|unsuccess|not interested|pers[aeoi]\b|squalific|rifiutat|annullat|perdu|abandonn|refus"
    r"|annul|verloren|abgelehnt|abgesagt|storniert|perdid|descartad|rechazad|anulad|cancelad"
    r"|przegran|utracon|förlorad|tabt|kaybed|проигр|\bverlor|afgewezen|ناموفق|از دست|باخت|رد شد|لغو"
)
WON: Final = (
    r"\bwon\b|vint[aeoi]\b|acquisit|gagn|remport|gewonnen|ganad|ganh|gewonnen"
    r"|wygran|vunn|vundet|kazan|выигр|موفق|برنده|برد\b"
)
CONVERTED: Final = (
    r"convert|customer|client|\bsigned|accepted|purchas|\bsold\b|success|good lead|approved"
    r"|enrolled|opportunit|contract signed|agreed|kunde|unterschr|beauftragt|signé|accepté|conclu"
    r"|firmat"
    r"|accettat|aceptad|firmad|cerrad[ao] ganad|klant|مشتری|قرارداد|خرید"
)
QUALIFIED: Final = r"qualif"
_NEGATED: Final = r"\b(not|non|no|nicht|nie|kein|pas|ne|niet|não|un|dis)[ -]"

STAGE_NAME: Final = (
    r"stage|status|\bstate\b|phase|outcome|result|step|milestone|esito|stato|fase|étape|etape|statut"
    r"|ergebnis|estado|etapa|resultado|situaç|مرحله|وضعیت|نتیجه|stadium"
)
CLOSED_NAME: Final = (
    r"clos(e|ed|ing)|decision|decided|\bended|finished|completed|outcome|esito|chius|clôtur|clotur"
    r"|fermé|abgeschl|abschluss|geschlossen|cierre|cerrad|fecham|gesloten|stage.?change|بسته|پایان"
)
CHANGED_NAME: Final = (
    r"modif|updat|chang|last|latest|next|\bdue\b|expect|estimat|planned|forecast|birth|stamp of"
    r"|ultim|previst|scaden|dernièr|prévu|échéance|geändert|aktualis|letzt|erwartet|fällig|geburt"
    r"|actualiz|últim|prevista|vencim|آخرین|بعدی|ویرایش|تولد|open$"
)
DATE_NAME: Final = (
    r"date|time|\bday\b|datum|zeit|\bdata\b|\bora\b|fecha|hora|heure|تاریخ|زمان|_at$|_on$|\bat\b"
    r"|^at$|^ts$|stamp|created|when|since|\bon$| am$| il$"
)
CREATED_NAME: Final = (
    r"creat|regist|reg_|first|start|submit|sign.?up|inquir|enquir|date_in|opened|\badd(ed)?\b|enter"
    r"|entry|receiv|engage|creazione|creat|inserim|registraz|iscri|ricevut|richiesta"
    r"|cré[ée]|création|inscri|saisi|reçu|erstellt|angelegt|eingang|anmeld|erfass|angefragt"
    r"|creaci|\balta\b|registro|ingreso|criaç|cadastro|aangemaakt|ایجاد|ثبت"
)
CONVERTED_NAME: Final = (
    r"conver[ts]|\bwon\b|won_|_won|opportunit|deal_?(date|at)|vint[ao]|gagn|abschluss|gewonnen|ganad"
    r"|ganh|success|تبدیل|برنده"
)
CUSTOMER_NAME: Final = (
    r"customer|qualified|signed|accepted|purchas|sold|contract|client|kunde|unterschr|signé|firma"
    r"|accett|acept|contrat|vertrag|deal|target|label|outcome|subscribed|enrol|is_customer|^y$|churn"
    r"|abschluss|acquist|acheté|compra|gekauft|خرید|قرارداد|^ordered"
)
TARGET_NAME: Final = r"^(y|target|label|class|response|outcome|conversion|converted)$"
"""What the outcome is called in tables made for learning."""

EARLIER_NAME: Final = r"^p(rev|ast|rior|outcome)|previous|former|\bold\b|vorig|precedent|précéd"
LOST_NAME: Final = (
    r"disqualif|lost|reject|squalific|(^|[ _])pers[ao]$|perdu|storno|verloren|perdid|\bperda\b"
    r"|\bperdita\b|\bperte\b|verlust|از دست"
)

LEADS_NAME: Final = (
    r"lead|mql|prospect|applic|enquir|inquir|contact|customer|client|person|people|signup|user|visitor"
    r"|interess|contatt|anfrag|kunde|potenz|requête|demande|richiest|solicit|مشتری|سرنخ"
)
DEALS_NAME: Final = (
    r"deal|opportunit|won|closed|order|contract|sale|purchas|invoice|affaire|vente|trattativ|vendit"
    r"|ordin|acquist|auftr|bestell|verk[aä]uf|pedido|venta|oportunidad|فرصت|سفارش|خرید"
)
OTHERS_NAME: Final = (
    r"account|compan|organi[sz]|product|team|agent|campaign|territor|region|region|aziend|societ"
    r"|prodott|entreprise|produit|firma|produkt|empresa|شرکت|محصول"
)
EVENTS_NAME: Final = (
    r"event|log|activit|track|touch|task|mail|call|visit|session|history|click|page"
)

CONVERSION_TYPES: Final = (
    r"opportun",
    r"(^|[ _])(convert|accept|approv|won|deal(?!er))",
    r"agreed|(^|[ _])(contract|signed(?!.?up)|purchase|order)|gewonnen|gagn|vint[ao]|ganad|ganho"
    r"|subscription.?(start|creat|activ|paid)|برنده|خرید",
)
"""Names of event types that mean a conversion, the surest first."""

OUTBOUND_TYPES: Final = (
    r"outbound|outgoing|\bsent\b|\bsales\b|commercial|venditor|uscita|uscente|inviat|sortant|envoyé|ausgehend|gesendet"
    r"|versandt|verschickt|saliente|enviad|uitgaand|verzonden|خروجی|ارسال شده"
)
INBOUND_TYPES: Final = (
    r"inbound|incoming|receiv|entrata|entrante|ricevut|entrant|reçu|eingehend|erhalten|empfangen"
    r"|recibid|recebid|inkomend|ontvangen|ورودی|دریافت|form|request|enquir|inquir|demande|richiest"
    r"|anfrage|solicit|درخواست|open|apert|ouvert|geöffnet|abiert|clic|view|repl|respon|download"
    r"|télécharg|visit(ed|[ae])?.(al |del |du |le )?(web|page|sito|site)"
)
"""Names of event types that sales does, and of those that leads do: the others may be either's."""

CONTACT_TYPES: Final = (
    r"call|phone|mail|message|meeting|demo|visit|chat|sms|appel|réunion|rendez|chiamat|telefon"
    r"|incontro|riunion|anruf|termin|besuch|gespräch|llamad|reuni|correo|ligaç|gesprek|afspraak"
    r"|تماس|جلسه|ایمیل"
)
OUTCOME_TYPES: Final = r"declin|cancel|disqual|unqualif|reject|lost|^(deleted|merged)$"
TYPE_NAME: Final = r"type|event|action|activity|kind|name|tipo|genre|^(art|typ|what)$|نوع"
RECORDED: Final = (
    r"record|ingest|load|insert|logged|registrat[oaie]\b|inserit|caricat|enregistr|saisi|erfasst|registrad[oa]"
    r"|vastgelegd|ثبت شده"
)
EVENT_ROLES: Final = {
    "channel": r"channel|medium",
    "campaign": r"campaign",
    "person": r"contact|person|resource|user|agent",
    "direction": r"direction|inbound|direzione|richtung",
}
FIELD_NAME: Final = (
    r"field|property|attribut|^(campo|champ|feld|veld|propriet[àa]|propriété|propiedad|eigenschaft)\b"
    r"|فیلد"
)
OLD_NAME: Final = (
    r"^old|before|from_value|^(da|from|de|von|van|از)$|^(prima|avant|vorher|antes)\b|vecchi|precedent"
    r"|ancien|précéd|vorig|anterior|alter wert|oude|قدیم"
)
NEW_NAME: Final = (
    r"^new|after|to_value|^(a|to|à|zu|auf|nach|naar|para|به)$|^(dopo|après|nachher|después|depois)\b"
    r"|nuov|nouve|neuer wert|nuev|novo|nieuwe|جدید"
)
KNOWN_ENDINGS: Final = ("_known_at", "_known_on", "_known", "_answered_at")
ROLES: Final = {
    "account": r"account(?!.*date)|company_?id|organi[sz]ation(_?id)?$",
    "name": (
        r"^(company|company[ _]name|account_?name|full_?name|(contact|display|lead)[ _]?name|name"
        r"|azienda|entreprise|empresa|شرکت)$|ragione|société|^firma"
        r"|^(client|customer|cliente|kunde|klant|مشتری)([-_ ]?name)?$"
    ),
    "owner": (
        r"owner|owned|^rep$|sales_?rep|salesperson|assigned|sales_agent|venditore|addetto|commercial"
        r"|betreuer|responsable|responsible|کارشناس"
    ),
    "channel": (
        r"channel|origi?[ne]m?\b|origin|source|medium|canal|fonte|provenien|kanal|quelle|herkunft"
        r"|fuente|منبع|acquisition"
    ),
    "email": r"e[-_ ]?mail(_from)?$|^mail$|courriel",
    "title": r"job_?\s?title|^title$|^(job[-_ ]?)?function$|position|ruolo|fonction|funktion|cargo",
}
PERSON_NAME: Final = (
    r"^(person|full[-_ ]?name|contact([-_ ]?(name|person))?|referente|interlocuteur|ansprechpartner"
    r"|nome completo|nom complet|نام کامل)$"
)
COMPANY_NAME: Final = (
    r"^(company|company[-_ ]?name|account_?name|organi[sz]ation[-_ ]?name|azienda|entreprise"
    r"|empresa|firm|شرکت)$|ragione|société|^firma"
)
COMPANIES_NAME: Final = (
    r"account|compan(y|ies)|organi[sz]ation|aziend|societ|impres[ae]|entreprise|unternehm|firmen"
    r"|empresa|bedrij|شرکت"
)
"""What a table of companies, or the key of one, is called."""
TEAM_NAME: Final = r"^(sales[-_ ]?)?team([-_ ]?name)?$|^squadra$|^équipe$|^gruppo vendite$|^تیم$"
FIRST_NAME: Final = r"^(first|given)[-_ ]?name$|^nome$|^prénom$|^vorname$|^nombre$|^نام$"
LAST_NAME: Final = r"^(last|family|sur)[-_ ]?name$|^cognome$|^nom$|^nachname$|^apellidos?$|خانوادگی"
VALUE_NAME: Final = (
    r"amount|value|revenue|price|importo|ricavo|valore|montant|umsatz|betrag|wert$|importe|مبلغ"
)
PAID_NAME: Final = (
    r"payment|\bpaid\b|invoice|receipt|billing|refund|charge|pagament|pagat[oaie]|fattur|incass"
    r"|rimbors|paiement|payé|facture|rembours|zahlung|bezahlt|rechnung|erstatt|\bpagos?\b|pagado"
    r"|factura|reembols|betaling|پرداخت|فاکتور"
)
"""What customers pay, as names of tables, of dates and of events."""

REFUND_NAME: Final = r"refund|charge.?back|credit.?note|rimbors|rembours|erstatt|reembols|بازپرداخت"
ID_NAME: Final = (
    r"(^|[_\s.-])(id|ids|no|nr|number|key|ref|code|guid|uuid)\.?$|^id|id$|^case$|number|nummer"
    r"|numero|numéro|identi|codice|código|matricola|^n\.?[º°]|شناسه|-nr\.?$|do not modify\) \w+$"
)
PERSON_KEY: Final = r"user|lead|customer|contact|visitor|client|prospect|person|member|kunde|مشتری"


def plain(name: str) -> str:
    """Write a name in words of lower case: "createdAt" and "Deal - Won time" alike.

    >>> plain("createdAt"), plain("Deal - Won time")
    ('created at', 'deal won time')
    """
    split = re.sub(r"(?<=[a-z])(?=[A-Z])", " ", name)
    return re.sub(r"[\s_.\-/()]+", " ", split).strip().lower()


def speaks_of(name: str, pattern: str) -> bool:
    """Tell whether a name fits a pattern, as it stands or written in words."""
    return bool(re.search(pattern, name.lower()) or re.search(pattern, plain(name)))


def side_of_type(name: str) -> Literal["lead", "sales", ""]:
    """Tell from the name of an event type who acts; "" where it leaves it open.

    >>> side_of_type("Chiamata in uscita"), side_of_type("form_sent"), side_of_type("call")
    ('sales', 'lead', '')
    """
    if speaks_of(name, INBOUND_TYPES):
        return "lead"
    return "sales" if speaks_of(name, OUTBOUND_TYPES) else ""


def meaning_of(value: str) -> tuple[Meaning, int]:
    """Say what a stage means, and how surely: 3 won or lost by name, 2 as good as, 1 qualified.

    >>> meaning_of("Closed - Not Converted"), meaning_of("Closed Won"), meaning_of("Open")
    (('lost', 3), ('won', 3), ('open', 0))
    """
    text = value.strip().lower()
    if re.search(LOST, text):
        return "lost", 3
    for pattern, sure in ((WON, 3), (CONVERTED, 2), (QUALIFIED, 1)):
        if re.search(pattern, text):
            negated = re.search(_NEGATED, text)
            return ("lost", 3) if negated else ("won", sure)
    return "open", 0
