"""Words of a question that say nothing of what is asked for, by language.

Articles, pronouns, auxiliaries, prepositions and, above all, the words that ask: "welcher" and
"which" are rare in texts that answer, so that BM25 would weigh them as if they were names.
They are left out of queries alone, and only where other words remain. Words that are names
in capitals (who, it, us) are not among them.
"""

from __future__ import annotations

__all__ = ["STOP_WORDS"]

STOP_WORDS = {
    "da": """
        hvad hvem hvis hvilken hvilket hvilke hvor hvornår hvorfor hvordan en et den det de
        der som og eller men at i på til fra for af med om er var bliver blev har havde kan
        kunne skal skulle vil ville ikke han hun man vi jeg du sig sin sit sine denne dette
        disse ved under efter
    """,
    "de": """
        was wer wen wem wessen wann warum wieso weshalb wie wo woher wohin womit wofür welche
        welcher welches welchen welchem der die das den dem des ein eine einer eines einem
        einen und oder aber nicht kein keine ist sind war waren sein wird werden wurde wurden
        worden hat haben hatte hatten kann können konnte soll sollte muss es er sie ihr ihre
        ihrer ihren sein seine seiner sich man wir ich in im an am auf aus bei beim mit nach
        von vom vor zu zum zur für über um unter durch gegen ohne bis als dass ob wenn auch
        nur noch dieser diese dieses
    """,
    "en": """
        what which whose whom where when why how the a an of in on at to for from by with
        about into and or but not is are was were be been being does do did has have had that
        this these those there he she they his her their its as if than
    """,
    "es": """
        qué quién quiénes cuál cuáles cuándo dónde adónde cómo cuánto cuánta cuántos cuántas
        el la los las un una unos unas lo de del al a en por para con sin sobre entre y e o u
        pero no que se su sus le les es son era eran fue fueron ser está están ha han había
        esta este estos estas ese esa como si más
    """,
    "fr": """
        que qui quoi quel quelle quels quelles lequel laquelle quand où comment pourquoi
        combien le la les l un une des du de d à au aux en dans sur sous par pour avec sans et
        ou mais ne pas est sont était étaient été être a ont avait il elle ils elles on se s
        sa son ses leur leurs ce cet cette ces qu y
    """,
    "it": """
        che chi cosa quale quali quando dove come perché quanto quanta quanti quante il lo la
        i gli le un uno una di del della dei degli delle dello a al alla ai alle da dal dalla
        in nel nella su sul sulla per con tra fra e o ma non si è sono era erano essere ha
        hanno suo sua suoi sue questo questa questi queste ci
    """,
    "nl": """
        wat wie wiens welk welke wanneer waar waarom waarmee waarvoor hoe hoeveel de het een
        van in op aan te bij met naar uit voor door over om onder en of maar niet geen is zijn
        was waren wordt worden werd werden heeft hebben had kan kunnen hij zij ze zich haar
        hun er dat die dit deze als ook
    """,
    "no": """
        hva hvem hvis hvilken hvilket hvilke hvor når hvorfor hvordan en et ei den det de der
        som og eller men at i på til fra for av med om er var blir ble har hadde kan kunne
        skal skulle vil ville ikke han hun man vi jeg du seg sin sitt sine denne dette disse
        ved under etter
    """,
    "pt": """
        que quê quem qual quais quando onde aonde como porquê quanto quanta quantos quantas o
        a os as um uma uns umas de do da dos das em no na nos nas ao aos à às por pelo pela
        para com sem e ou mas não se seu sua seus suas é são era eram foi foram ser está estão
        tem têm este esta estes estas esse essa
    """,
    "ru": """
        что кто кого кому чей чья чьё какой какая какое какие каких каком когда где куда
        откуда почему зачем как сколько и или но а не ни в во на с со к ко по из от до для о
        об у за под над при через же ли бы это этот эта эти он она оно они его её их был была
        было были есть быть который которая которые
    """,
    "sv": """
        vad vem vems vilken vilket vilka var när varför hur en ett den det de som och eller
        men att i på till från för av med om är blir blev har hade kan kunde ska skulle vill
        inte han hon man vi jag du sig sin sitt sina denna detta dessa vid under efter
    """,
}
STOP_WORDS["nb"] = STOP_WORDS["no"]
STOP_WORDS["nn"] = """
    kva kven kvifor korleis kvar når kvens kva for ein ei eit den det dei som og eller men at i på
    til frå for av med om er var blir vart har hadde kan kunne skal skulle vil ville ikkje han ho
    ein vi eg du seg sin sitt sine denne dette desse ved under etter
"""
