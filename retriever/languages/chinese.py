"""Chinese in simplified and in traditional characters, Cantonese, Japanese: by characters.

Written in Han characters alone, a text of a few words gives a byte model little to go by,
while single characters tell: each form of a character below belongs to one standard only.
"""

from __future__ import annotations

__all__ = ["TO_SIMPLIFIED", "chinese_or_japanese"]

# Simplified and traditional forms of common characters, in turn.
_PAIRS = (
    "们們这這个個来來时時为為对對说說过過发發后後样樣现現实實开開关關从從动動见見问問长長电電"
    "机機业業东東车車马馬鸟鳥鱼魚风風飞飛门門闻聞间間无無与與专專义義书書乐樂亚亞产產亲親亿億"
    "仅僅价價众眾优優传傳伤傷华華单單卖賣卫衛历歷压壓县縣双雙变變听聽员員团團园園围圍图圖圆圓"
    "场場坏壞块塊处處备備头頭够夠奖獎妇婦孙孫宁寧宝寶审審宪憲宫宮导導将將尔爾层層属屬岁歲岛島"
    "币幣师師带帶帮幫广廣庆慶库庫应應庙廟张張强強归歸录錄忆憶总總恶惡战戰执執扩擴护護报報择擇"
    "挥揮损損换換据據摄攝数數断斷旧舊显顯术術杀殺权權条條极極构構标標树樹检檢楼樓欢歡欧歐气氣"
    "汉漢洁潔测測济濟湾灣满滿灭滅灯燈灵靈热熱爱愛状狀独獨环環监監盖蓋盘盤码碼确確离離种種积積"
    "称稱稳穩穷窮竞競笔筆类類约約级級纪紀线線组組细細终終经經结結给給统統继繼续續维維网網罗羅"
    "职職联聯脑腦节節药藥营營获獲虽雖补補装裝观觀规規视視觉覺计計认認让讓议議记記讲講许許论論"
    "设設访訪证證评評识識词詞试試话話该該语語误誤请請读讀课課调調谈談财財责責贵貴费費资資赛賽"
    "赢贏转轉轮輪软軟较較输輸边邊达達迁遷运運还還进進远遠连連适適选選递遞邮郵邻鄰里裡钟鐘钱錢"
    "铁鐵银銀错錯镇鎮队隊阳陽阶階际際陆陸陈陳险險随隨难難静靜页頁项項须須顾顧预預领領题題额額"
    "饭飯馆館验驗齐齊龙龍区區医醫号號学學国國会會点點万萬声聲台臺体體参參两兩脏髒脸臉肤膚胜勝"
    "肿腫胁脅萨薩荣榮苏蘇兰蘭蓝藍虑慮虫蟲蚁蟻贝貝贸貿购購趋趨跃躍释釋锁鎖闭閉阅閱写寫农農军軍"
    "冲衝决決况況冻凍净淨减減凤鳳凭憑刘劉则則刚剛创創别別剧劇劲勁办辦务務励勵势勢协協却卻厂廠"
    "厅廳厉厲厌厭吗嗎启啟吴吳响響唤喚喷噴嘱囑坚堅坛壇垒壘垦墾墙牆壮壯夺奪奋奮妈媽娱娛婴嬰宽寬"
    "宾賓寻尋寿壽尽盡岗崗岭嶺峡峽巩鞏帅帥帐帳庄莊异異弃棄弯彎弹彈彻徹径徑忧憂怀懷态態怜憐恋戀"
    "恳懇悬懸惊驚惧懼惩懲惯慣愤憤愿願懒懶戏戲扑撲扫掃扬揚扰擾抚撫抛拋抢搶拟擬拥擁拦攔拨撥挂掛"
    "挡擋挤擠捡撿捞撈掷擲搅攪携攜摆擺摇搖撑撐敌敵斩斬昼晝晓曉晕暈暂暫杂雜杨楊枪槍柜櫃栏欄栋棟"
    "桥橋梦夢歼殲残殘毁毀毕畢汇匯汤湯沟溝泪淚泽澤浅淺浆漿浇澆浊濁浏瀏浓濃涂塗涛濤润潤涨漲渊淵"
    "渐漸渔漁渗滲温溫溃潰滚滾滞滯滤濾滨濱潜潛灾災炉爐炼煉烂爛烟煙烦煩烧燒烛燭牵牽犹猶狮獅狱獄"
    "猎獵猪豬猫貓献獻玛瑪疗療疮瘡疯瘋皱皺盐鹽瞒瞞矿礦砖磚础礎硕碩碍礙礼禮祸禍窃竊窝窩竖豎筑築"
    "签簽简簡篮籃粮糧紧緊纠糾红紅纤纖纯純纲綱纳納纵縱纷紛纸紙纹紋纺紡练練绍紹织織绕繞绘繪绝絕"
    "绪緒绳繩绿綠缓緩编編缘緣缝縫缩縮罚罰羡羨耻恥聋聾肃肅肠腸肾腎胆膽胶膠舰艦艰艱艳艷艺藝苍蒼"
    "荐薦荡蕩莱萊莲蓮萝蘿虾蝦蚀蝕蛮蠻蜡蠟衬襯裤褲览覽誉譽订訂训訓讯訊讨討讽諷诉訴诊診诗詩诚誠"
    "详詳诞誕诱誘诺諾谁誰谅諒谋謀谎謊谐諧谓謂谜謎谢謝谨謹谱譜负負贡貢败敗账賬货貨质質贩販贪貪"
    "贫貧贬貶贴貼贷貸贺賀赋賦赌賭赏賞赐賜赔賠赖賴赚賺赞贊赠贈赵趙赶趕踪蹤轨軌轰轟轻輕载載辅輔"
    "辆輛辈輩辉輝辞辭辩辯辽遼违違迹跡迟遲郑鄭酱醬针針钉釘钙鈣钢鋼钥鑰钩鉤钻鑽铃鈴铅鉛铜銅链鏈"
    "销銷锅鍋锋鋒锐銳键鍵镜鏡闪閃闯闖闲閒闷悶闹鬧阁閣阔闊阵陣阴陰隐隱雾霧韩韓韵韻顶頂顷頃顺順"
    "顽頑颁頒颂頌频頻颖穎颗顆颜顏颠顛颤顫飘飄饥飢饰飾饱飽饼餅饿餓骂罵骄驕骑騎骗騙骤驟鲁魯鲜鮮"
    "鸡雞鸣鳴鸭鴨鸽鴿鹅鵝鹰鷹麦麥黄黃齿齒龄齡龟龜当當仓倉仪儀伟偉伦倫侦偵侧側侨僑债債倾傾偿償"
    "储儲儿兒党黨养養兽獸内內册冊击擊删刪剂劑丢丟严嚴丧喪丰豐临臨丽麗举舉么麼乌烏乔喬习習乡鄉"
    "买買乱亂争爭于於亏虧云雲伙夥佣傭俩倆俭儉冯馮凯凱劳勞勋勛卢盧卧臥厦廈叙敘叹嘆吕呂呜嗚咏詠"
    "哑啞哗嘩唠嘮啰囉圣聖坟墳坠墜垫墊壳殼复復奥奧妆妝姗姍娄婁宠寵屉屜屿嶼岂豈帜幟庞龐废廢弥彌"
    "征徵志誌怂慫惨慘慑懾托託拣揀挣掙掳擄摊攤斋齋旷曠昙曇朴樸柠檸档檔桩樁桨槳椭橢横橫毡氈氢氫"
    "沥瀝沦淪沧滄沪滬泾涇洒灑洼窪涌湧涡渦淀澱湿濕溅濺滥濫滩灘潇瀟灿燦炖燉烁爍烃烴牺犧狈狽珑瓏"
    "瑶瑤畅暢疟瘧瘾癮眯瞇硷鹼祷禱笼籠筛篩箩籮粤粵绅紳绊絆绑綁络絡绩績绵綿绸綢综綜缆纜缔締缠纏"
    "缴繳罢罷翘翹脉脈脱脫腊臘腾騰苹蘋茎莖范範茧繭荆荊莺鶯葱蔥蕴蘊虏虜袭襲谊誼谣謠贤賢赎贖跷蹺"
    "踊踴躯軀轧軋轴軸轿轎辑輯辖轄邓鄧郁鬱酿釀鉴鑑钦欽钓釣钞鈔钠鈉铝鋁铭銘铺鋪锈鏽锡錫锤錘锦錦"
    "镁鎂镶鑲闰閏闸閘阀閥陕陝顿頓颇頗颈頸饮飲饶饒驰馳驱驅驶駛驻駐驾駕骆駱骏駿鲍鮑鲸鯨鳄鱷鸦鴉"
    "鸿鴻鹤鶴"
)
_BOTH = frozenset(
    "里台后万国学会点区医号声体参两双当来于云伙志征托朴涌淀范郁鉴淨麼"
)  # also older or Japanese forms
TO_SIMPLIFIED = dict(zip(_PAIRS[1::2], _PAIRS[::2], strict=True))
"""Traditional forms of common characters, each with its simplified one."""

_SIMPLIFIED = frozenset(_PAIRS[::2]) - _BOTH
_TRADITIONAL = frozenset(_PAIRS[1::2]) - _BOTH
_CANTONESE = frozenset("嘅咗唔喺佢哋啲冇嗰咁嚟嘢乜睇攞俾噉𠮶畀啱")
# Forms that only Japan's reform made, and characters made in Japan.
_JAPANESE = frozenset(
    "気駅図対転売円帰働込畑発読広価仏択沢浜渋県検権剣険験顕巻団圧囲処拡拠"
    "変労戦蔵覧恵歩毎徳徴涙桜黒関楽実験済続緑総鉄駆齢様戸検両増徳産"
)


def chinese_or_japanese(text: str, pool: list[str] | None) -> tuple[str, float] | None:
    """The language of a text in Han characters, as (code, confidence).

    pool: the languages that it may be; None means `zh`, `zh-Hant`, `yue` and `ja`. None is
    returned where the pool holds none of these.
    """
    possible = {"zh", "zh-Hant", "yue", "ja"} if pool is None else set(pool)
    japanese = sum(c in _JAPANESE for c in text)
    cantonese = sum(c in _CANTONESE for c in text)
    simplified = sum(c in _SIMPLIFIED for c in text)
    traditional = sum(c in _TRADITIONAL for c in text)
    if japanese > simplified and japanese >= traditional:
        order = ["ja", "zh-Hant", "zh", "yue"]
    elif cantonese and cantonese * 40 >= len(text):
        order = ["yue", "zh-Hant", "zh", "ja"]
    elif traditional > simplified:
        order = ["zh-Hant", "yue", "zh", "ja"]
    else:
        order = ["zh", "zh-Hant", "yue", "ja"]
    told = bool(japanese or cantonese or simplified or traditional)
    return next(((code, 1.0 if told else 0.7) for code in order if code in possible), None)
