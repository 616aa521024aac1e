#!/usr/bin/env perl
# make_samples.pl - writes samples.jsonl: the 1,500 synthetic samples of the demo's first model, router-v1.0.0.
#
#     perl make_samples.pl
#
# A team that is about to launch an assistant has no conversations yet, and writes down what it expects people to say.
# That is what the frames at the end of this file are: of our own writing, about nobody, and drawn from no data set. The
# script fills them in, roughens some of them up as people who type on a phone do, and keeps what is new. A text that
# comes out as one of the demo's messages (conversations.tsv) is left out: the model is to meet those for the first
# time.
#
# A fifth of the samples is the acceptance set ("split": "test"). It takes whole frames, so that none of its texts is
# one of the others with a different dish or town in it. Its texts were read one by one against their intents; after a
# change they have to be read again.
#
# The output is committed beside this script. It needs core Perl alone, and writes the same bytes on every run.

use strict;
use warnings;

use File::Basename qw(dirname);
use List::Util qw(sum0);
use Unicode::Normalize qw(NFC NFKC);

# In percent, and in whole numbers throughout: fractions differ between builds of Perl.
use constant LANGUAGES => qw(en hinglish hi);
use constant SHARE     => (en => 35, hinglish => 40, hi => 25);

# Texts that have so much of their words in common are twins: never one of them in train and the other one in test.
use constant TWIN => 80;

use constant SAMPLES => 1500;
use constant TESTED  => 300;

# Ways to spell a word, by language: what to look for, and what some people write instead.
my %SPELLINGS = (
    en => [
        [ qr/\bplease\b/,   qw(pls plz) ],
        [ qr/\byou\b/,      'u' ],
        [ qr/\byour\b/,     'ur' ],
        [ qr/\bare\b/,      'r' ],
        [ qr/\bwhat\b/,     'wat' ],
        [ qr/\bwant to\b/,  'wanna' ],
        [ qr/'(?=[a-z])/,   q{} ],
        [ qr/\btomorrow\b/, qw(tmrw tomorow) ],
        [ qr/\border\b/,    'oder' ],
        [ qr/\bbecause\b/,  'bcz' ],
        [ qr/ and /,        ' & ' ],
    ],
    hinglish => [
        [ qr/\bhai\b/,     qw(h he hai) ],
        [ qr/\bhain\b/,    qw(hai h) ],
        [ qr/\bkya\b/,     'kia' ],
        [ qr/\bnahi\b/,    qw(nhi nahin nai) ],
        [ qr/\bmein\b/,    'me' ],
        [ qr/\bchahiye\b/, qw(chaiye chahie chiye) ],
        [ qr/\bkar do\b/,  qw(krdo kardo) ],
        [ qr/\bkarna\b/,   'krna' ],
        [ qr/\bkahan\b/,   qw(kaha kha) ],
        [ qr/\bbhejna\b/,  'bhejana' ],
        [ qr/\bplease\b/,  qw(plz pls) ],
        [ qr/\babhi\b/,    'abi' ],
        [ qr/\btak\b/,     'tk' ],
        [ qr/\bkitna\b/,   'ktna' ],
        [ qr/\braha\b/,    'rha' ],
        [ qr/\bgaya\b/,    qw(gya gaya) ],
        [ qr/\bmujhe\b/,   qw(mujhe muje) ],
        [ qr/\baur\b/,     qw(or n) ],
        [ qr/\bmera\b/,    'mra' ],
        [ qr/\bwala\b/,    'vala' ],
    ],
    hi => [
        # Without the dot below a consonant; one nasal sign for the other.
        [ qr/\x{93C}/, q{} ],
        [ qr/\x{901}/, "\x{902}" ],
        [ qr/\x{92A}\x{94D}\x{932}\x{940}\x{91C}/, 'pls' ],
    ],
);

# A generator of our own (Park and Miller's): rand differs between builds of Perl.
my $state = 20240115;

sub draw {
    my ($below) = @_;
    $state = $state * 48271 % 2147483647;
    return $state % $below;
}

sub chance {
    my ($percent) = @_;
    return draw(100) < $percent;
}

sub shuffled {
    my (@items) = @_;

    for my $last (reverse 1 .. $#items) {
        my $at = draw($last + 1);
        @items[ $at, $last ] = @items[ $last, $at ];
    }
    return @items;
}

# What the extension takes for the same text: normalize_text().
sub normalized {
    my ($text) = @_;

    $text = NFKC(lc NFKC($text));
    $text =~ s/\s+/ /g;
    $text =~ s/^[\s\p{P}\$+<=>^`|~]+(?=\S)//;
    $text =~ s/(?<=\S)[\s\p{P}\$+<=>^`|~]+$//;
    return $text;
}

sub words_of {
    my ($text) = @_;
    return { map { $_ => 1 } normalized($text) =~ /[\p{L}\p{M}\p{N}']+/g };
}

sub are_twins {
    my ($one, $other) = @_;
    my ($less, $more) = sort { $a <=> $b } scalar keys %{$one}, scalar keys %{$other};

    return 0 if 100 * $less < TWIN * $more;
    my $shared = grep { $other->{$_} } keys %{$one};
    return 100 * $shared >= TWIN * ($less + $more - $shared);
}

# The intents with their frames by language, and the fillers of the slots by name and language.
sub read_frames {
    my (@intents, %fillers);

    binmode DATA, ':encoding(UTF-8)' or die "make_samples.pl: $!\n";
    while (my $line = <DATA>) {
        $line =~ s/\n\z/' ' . <DATA>/e while $line =~ /\|\n\z/;
        chomp($line = NFC($line));
        next if $line =~ /^\s*(?:#|$)/;
        if ($line =~ /^= (\S+) (\S+) (\d+) (\d+)$/) {
            push @intents, { intent => $1, module_type => $2, module_id => $3, samples => $4, frames => {} };
        }
        elsif ($line =~ /^([.\w]+): (.+)$/ && !@intents) {
            $fillers{$1} = [ split / *\| */, $2 ];
        }
        elsif ($line =~ /^(\w+): (.+)$/) {
            push @{ $intents[-1]{frames}{$1} }, $2;
        }
        else {
            die "make_samples.pl: no frame: $line\n";
        }
    }
    return (\@intents, \%fillers);
}

# A frame with one of each (this|that) and a filler in each {slot}; a slot that comes twice gets two different fillers.
sub fill_in {
    my ($frame, $language, $fillers) = @_;
    my %taken;

    $frame =~ s{\(([^()]*)\)}{ my @ways = split /\|/, $1, -1; $ways[ draw(scalar @ways) ] }ge;
    $frame =~ s{\{(\w+)\}}{
        my $list = $fillers->{"$1.$language"} // $fillers->{$1}
            // die "make_samples.pl: no filler for $1 in $language\n";
        my $filler;
        do { $filler = $list->[ draw(scalar @{$list}) ] } while $taken{$filler}++;
        $filler;
    }ge;
    $frame =~ s/#/draw(10)/ge;
    $frame =~ s/ +/ /g;
    $frame =~ s/ (?=[,?!.])|^ | $//g;
    return $frame;
}

# A text as somebody in a hurry types it.
sub roughened {
    my ($text, $language) = @_;

    for my $spelling (@{ $SPELLINGS{$language} }) {
        my ($correct, @others) = @{$spelling};
        my $other = $others[ draw(scalar @others) ];
        $text =~ s/$correct/$other/g if chance(22);
    }
    $text =~ s/[?]$// if chance(45);
    $text = lc $text if chance($language eq 'en' ? 50 : 75);
    $text = ucfirst $text if $language eq 'en' && chance(40);

    # A letter left out of a long word.
    if ($language ne 'hi' && chance(6)) {
        my @long = $text =~ /\b[a-z]{6,}\b/g;
        if (@long) {
            my $word = $long[ draw(scalar @long) ];
            my $typo = $word;
            substr $typo, 1 + draw(length($word) - 2), 1, q{};
            $text =~ s/\b$word\b/$typo/;
        }
    }
    return $text;
}

# The messages of the demo, normalised.
sub demo_messages {
    my ($path) = @_;
    my %messages;

    open my $file, '<:encoding(UTF-8)', $path or die "make_samples.pl: $path: $!\n";
    while (my $line = <$file>) {
        my $message = (split /\t/, $line)[3];
        $messages{ normalized($message) } = 1;
    }
    close $file or die "make_samples.pl: $path: $!\n";
    return \%messages;
}

# Frames that have brought forth twins are one group from then on.
sub group_of {
    my ($group, $frame) = @_;

    while (defined $group->{$frame}) {
        $frame = $group->{$frame};
    }
    return $frame;
}

# One more sample of a frame, or nothing: the text is taken, is one of the demo's, or is a twin of another intent's.
sub new_sample {
    my ($intent, $language, $frame, $world) = @_;
    my $clean = fill_in($frame, $language, $world->{fillers});
    my $text  = roughened($clean, $language);
    my $key   = normalized($text);
    my $words = words_of($text);

    # The same words misspelt, or with another number, are nothing new.
    $clean =~ s/\d/0/g;

    return if $world->{taken}{$clean} || $world->{taken}{$key} || $world->{demo}{$key};
    my @twins = grep { are_twins($words, $_->{words}) } @{ $world->{samples} };
    return if grep { $_->{intent}{intent} ne $intent->{intent} } @twins;

    my $own = group_of($world->{group}, $frame);
    for my $twin (@twins) {
        my $other = group_of($world->{group}, $twin->{frame});
        $world->{group}{$other} = $own if $other ne $own;
    }
    @{ $world->{taken} }{ $clean, $key } = (1, 1);
    return { text => $text, intent => $intent, language => $language, frame => $frame, words => $words };
}

# So many samples of an intent in a language, evenly from its frames.
sub add_samples {
    my ($intent, $language, $wanted, $world) = @_;
    my @frames = shuffled(@{ $intent->{frames}{$language} // [] });

    while ($wanted > 0) {
        my $frame = shift @frames // die "make_samples.pl: $intent->{intent} needs more frames in $language\n";
        for my $attempt (1 .. 25) {
            my $sample = new_sample($intent, $language, $frame, $world) or next;
            push @{ $world->{samples} }, $sample;
            push @frames, $frame;
            $wanted--;
            last;
        }
    }
    return;
}

# Gives whole groups of frames to the test set, as many from every intent and language as their share is.
sub draw_test_set {
    my ($world) = @_;
    my ($seen, $tested, %members, %cell) = (0, 0);

    for my $sample (@{ $world->{samples} }) {
        push @{ $members{ group_of($world->{group}, $sample->{frame}) } }, $sample;
    }
    for my $group (keys %members) {
        my $first = $members{$group}[0];
        $cell{"$first->{intent}{intent} $first->{language}"}{$group} = $members{$group};
    }
    for my $name (sort keys %cell) {
        my %groups = %{ $cell{$name} };
        $seen += sum0(map { scalar @{$_} } values %groups);
        for my $group (shuffled(sort keys %groups)) {
            my @samples = @{ $groups{$group} };
            next if $tested + @samples > int($seen * TESTED / SAMPLES);
            $_->{split} = 'test' for @samples;
            $tested += @samples;
        }
    }
    return;
}

sub json_string {
    my ($text) = @_;
    $text =~ s/(["\\])/\\$1/g;
    return qq{"$text"};
}

sub json_line {
    my ($sample) = @_;
    my $intent   = $sample->{intent};
    my @pairs    = (
        '"text": ' . json_string($sample->{text}),
        '"intent": ' . json_string($intent->{intent}),
        '"language": ' . json_string($sample->{language}),
        '"module_id": ' . $intent->{module_id},
        '"module_type": ' . json_string($intent->{module_type})
    );

    push @pairs, '"split": "test"' if $sample->{split};
    return '{' . join(', ', @pairs) . "}\n";
}

sub main {
    my $here = dirname(__FILE__);
    my ($intents, $fillers) = read_frames();
    my %share = (SHARE);
    my %world = (
        fillers => $fillers,
        demo    => demo_messages("$here/conversations.tsv"),
        samples => [],
        taken   => {},
        group   => {}
    );

    for my $intent (@{$intents}) {
        my ($share, $made) = (0, 0);
        for my $language (LANGUAGES) {
            $share += $share{$language};
            my $wanted = int(($share * $intent->{samples} + 50) / 100) - $made;
            add_samples($intent, $language, $wanted, \%world);
            $made += $wanted;
        }
    }
    draw_test_set(\%world);

    my @samples = @{ $world{samples} };
    my @tested  = grep { $_->{split} } @samples;
    die 'make_samples.pl: ', scalar @samples, ' samples, ', scalar @tested, " of them for the test\n"
        if @samples != SAMPLES || @tested != TESTED;

    open my $file, '>:encoding(UTF-8)', "$here/samples.jsonl" or die "make_samples.pl: samples.jsonl: $!\n";
    print {$file} map { json_line($_) } @samples or die "make_samples.pl: samples.jsonl: $!\n";
    close $file or die "make_samples.pl: samples.jsonl: $!\n";
    return;
}

main();

__DATA__

# The fillers of the slots: name.language, or name alone for all languages. A line that ends with a bar goes on in the
# next one.

dish.en: masala dosa | paneer tikka | chicken biryani | veg pulao | chole kulche | rajma chawal | dal makhani |
    egg roll | chilli paneer | fried rice | white sauce pasta | margherita pizza | cheese burger | idli sambar |
    medu vada | aloo paratha | fish curry | mutton korma | palak paneer | tandoori chicken | dahi puri | hot jalebi |
    ice cream | chocolate shake | sweet lassi | uttapam | chowmein | spring rolls | kadhai paneer | veg thali
dish.hinglish: masala dosa | paneer tikka | chicken biryani | veg pulao | chole kulche | rajma chawal | dal makhani |
    egg roll | chilli paneer | fried rice | pasta | cheese pizza | burger | idli sambhar | aloo paratha | machli curry |
    mutton korma | palak paneer | tandoori chicken | dahi bhalla | jalebi | ice cream | lassi | chowmein | spring roll |
    kadhai paneer | pav bhaji | bhel puri | gol gappe | kheer
dish.hi: मसाला डोसा | पनीर टिक्का | चिकन बिरयानी | वेज पुलाव | राजमा चावल | दाल मखनी | आलू पराठा | इडली सांभर |
    पाव भाजी | कढ़ी चावल | दाल तड़का | पालक पनीर | अंडा करी | मटन कोरमा | तंदूरी चिकन | गोलगप्पे | दही भल्ले | जलेबी |
    आइसक्रीम | लस्सी | चाउमीन | पिज़्ज़ा | बर्गर | खीर | वेज थाली | छोले कुलचे

cuisine.en: South Indian | Punjabi | Gujarati | Bengali | Chinese | Mughlai | Italian | Rajasthani | Kerala |
    Maharashtrian | Thai | North Indian | Andhra | seafood
cuisine.hinglish: south indian | punjabi | gujarati | bengali | chinese | mughlai | italian | rajasthani |
    kerala style | marathi | north indian | andhra
cuisine.hi: दक्षिण भारतीय | पंजाबी | गुजराती | बंगाली | चाइनीज़ | मुग़लई | राजस्थानी | मराठी | उत्तर भारतीय | बिहारी

area: Banjara Hills | Koramangala | Andheri East | Powai | Dwarka | Rajouri Garden | Aundh | Hadapsar | Anna Nagar |
    T Nagar | Velachery | Alipore | Park Street | Ballygunge | Vastrapur | Malviya Nagar | Vaishali Nagar | Aliganj |
    Arera Colony | Jubilee Hills | Jayanagar | Marathahalli | Lajpat Nagar | Borivali | Kondapur
area.hi: अंधेरी ईस्ट | पवई | द्वारका | औंध | हडपसर | मालवीय नगर | वैशाली नगर | अलीगंज | राजौरी गार्डन | लाजपत नगर |
    बंजारा हिल्स | पटेल नगर | कंकड़बाग | अरेरा कॉलोनी | बोरीवली | सिविल लाइंस

place: the airport | the railway station | the bus stand | the city hospital | the metro station | the mall |
    the university | the high court | the stadium
place.hinglish: airport | railway station | bus stand | hospital | metro station | mall | college | office | mandir |
    stadium
place.hi: हवाई अड्डे | रेलवे स्टेशन | बस अड्डे | अस्पताल | मेट्रो स्टेशन | कॉलेज | दफ़्तर | मंदिर | बाज़ार

city: Pune | Mumbai | Delhi | Bengaluru | Chennai | Kolkata | Hyderabad | Ahmedabad | Jaipur | Lucknow | Kanpur |
    Nagpur | Indore | Patna | Surat | Kochi | Bhubaneswar | Chandigarh | Varanasi | Vadodara | Mysuru | Madurai |
    Ranchi | Guwahati | Udaipur
city.hi: पुणे | मुंबई | दिल्ली | बेंगलुरु | चेन्नई | कोलकाता | हैदराबाद | अहमदाबाद | जयपुर | लखनऊ | कानपुर | नागपुर |
    इंदौर | पटना | सूरत | भोपाल | चंडीगढ़ | वाराणसी | राँची | उदयपुर

item.en: toor dal | basmati rice | wheat flour | sugar | sunflower oil | mustard oil | full cream milk | curd |
    brown bread | eggs | onions | potatoes | tomatoes | coriander leaves | bananas | apples | tea powder |
    instant coffee | rock salt | turmeric | cumin seeds | besan | biscuits | detergent | dish soap | toothpaste |
    shampoo | wet wipes | ghee | salted butter | oats | peanut butter
item.hinglish: toor dal | basmati chawal | aata | cheeni | sarson ka tel | doodh | dahi | bread | ande | pyaz | aloo |
    tamatar | hara dhaniya | kele | seb | chai patti | namak | haldi | jeera | besan | biscuit | sabun | toothpaste |
    shampoo | ghee | makhan | rajma | moong dal | surf | agarbatti
item.hi: तूर दाल | बासमती चावल | आटा | चीनी | सरसों का तेल | दूध | दही | ब्रेड | अंडे | प्याज़ | आलू | टमाटर |
    हरा धनिया | केले | सेब | चाय पत्ती | नमक | हल्दी | जीरा | बेसन | बिस्कुट | साबुन | शैंपू | घी | मक्खन | राजमा |
    मूंग दाल | अगरबत्ती

load.en: 2 kg onions | 1 kg toor dal | 5 kg wheat flour | 2 litres of milk | a dozen eggs | 500 g besan |
    3 packets of biscuits | 1 litre mustard oil | half a kilo tomatoes | 10 kg rice | 1 kg sugar | 6 bananas |
    a loaf of bread | 250 g butter | one toothpaste | 4 bars of soap
load.hinglish: 2 kilo pyaz | 1 kilo toor dal | 5 kilo aata | 2 litre doodh | ek darjan ande | aadha kilo besan |
    3 packet biscuit | 1 litre sarson tel | aadha kilo tamatar | 10 kilo chawal | 1 kilo cheeni | 6 kele | ek bread |
    250 gram makhan | ek toothpaste | 4 sabun
load.hi: दो किलो प्याज़ | एक किलो तूर दाल | पाँच किलो आटा | दो लीटर दूध | एक दर्जन अंडे | आधा किलो बेसन |
    तीन पैकेट बिस्कुट | एक लीटर सरसों तेल | आधा किलो टमाटर | दस किलो चावल | एक किलो चीनी | छह केले | एक ब्रेड |
    चार साबुन

thing.en: documents | books | clothes | a gift box | sweets | a laptop | medicines | a guitar | shoes |
    a pressure cooker | a photo frame | homemade pickles | certificates | a mobile phone | toys | a saree |
    steel utensils
thing.hinglish: kagaz | kitabein | kapde | gift | mithai | laptop | dawai | guitar | joote | cooker | photo frame |
    achaar | certificate | mobile | khilone | saree | bartan
thing.hi: कागज़ात | किताबें | कपड़े | तोहफ़ा | मिठाई | लैपटॉप | दवाइयाँ | जूते | कुकर | अचार | मोबाइल | खिलौने | साड़ी |
    बर्तन

fragile.en: glass bottle | mixer | television | photo frame | ceramic pot | mirror | laptop | table lamp
fragile.hinglish: kaanch ka dabba | mixer | tv | photo frame | gamla | sheesha | laptop | lamp
fragile.hi: काँच का डिब्बा | मिक्सर | टीवी | फ़ोटो फ़्रेम | गमला | शीशा | लैपटॉप | लैंप

weight.en: 2 kg | 500 g | 3.5 kg | 8 kg | 12 kg | 1.2 kg | 25 kg | 4 kg | 300 grams
weight.hinglish: 2 kilo | 500 gram | 3 kilo | 8 kilo | 12 kg | dedh kilo | 25 kg | 4 kilo | adha kilo
weight.hi: दो किलो | आधा किलो | तीन किलो | आठ किलो | बारह किलो | डेढ़ किलो | पच्चीस किलो | चार किलो

lost.en: phone | wallet | handbag | backpack | sunglasses | house keys | tiffin box | jacket | earbuds | passport |
    laptop charger | shopping bag | school bag | power bank | helmet
lost.hinglish: phone | batua | purse | bag | chasma | ghar ki chabi | tiffin | jacket | earbuds | passport | charger |
    jhola | school bag | power bank | helmet
lost.hi: फ़ोन | बटुआ | पर्स | थैला | टिफ़िन | जैकेट | पासपोर्ट | चार्जर | स्कूल बैग | हेलमेट | पावर बैंक

time.en: 7 pm | 8:30 in the morning | 5 in the evening | half past six | noon | 9 am | 10:15 pm | 3 o'clock | 6 am
time.hinglish: shaam 7 baje | subah 8 baje | dopahar 2 baje | raat 9 baje | sade 6 baje | subah 5 baje | shaam 4 baje |
    11 baje
time.hi: शाम 7 बजे | सुबह 8 बजे | दोपहर 2 बजे | रात 9 बजे | साढ़े छह बजे | सुबह 5 बजे | शाम चार बजे | ग्यारह बजे

day.en: tomorrow | on Monday | on Wednesday | this weekend | on Friday | the day after tomorrow | next week |
    on Sunday morning
day.hinglish: kal | monday ko | budhwar ko | weekend pe | shukravar ko | parso | agle hafte | sunday subah
day.hi: कल | सोमवार को | बुधवार को | शनिवार को | शुक्रवार को | परसों | अगले हफ़्ते | रविवार सुबह

n: two | three | 2 | 3 | 4 | 5 | 6 | four
n.hinglish: do | teen | 2 | 3 | char | 4 | 5 | 6
n.hi: दो | तीन | चार | पाँच | 2 | 3 | 6

mins: 10 min | 15 mins | 30 minutes | 45 minutes | half an hour | an hour
mins.hinglish: 10 min | 15 minute | 30 minute | 45 min | aadha ghanta | 1 ghanta
mins.hi: दस मिनट | पंद्रह मिनट | आधा घंटा | चालीस मिनट | एक घंटा

since.hinglish: 10 min | 15 minute | 30 minute | 45 min | aadhe ghante | 1 ghante
since.hi: दस मिनट | पंद्रह मिनट | आधे घंटे | चालीस मिनट | एक घंटे

days: 2 days | 3 days | 5 days | a week | 10 days
days.hinglish: 2 din | 3 din | 5 din | ek hafta | 10 din
days.hi: दो दिन | तीन दिन | पाँच दिन | एक हफ़्ता | दस दिन

rupees: 100 | 150 | 200 | 300 | 350 | 400 | 500
rupees.hi: सौ | डेढ़ सौ | दो सौ | तीन सौ | पाँच सौ

vehicle: cab | auto | taxi | bike taxi | rickshaw
vehicle.hinglish: cab | auto | taxi | bike | gaadi | rickshaw
vehicle.hi: कैब | ऑटो | टैक्सी | गाड़ी | रिक्शा | बाइक

food: ORD-1003## | ORD-1005## | #1007##
parcel: PRC-562## | PRC-564## | PRC-567##
ride: RID-300## | RID-302## | RID-305##
basket: GRO-2101## | GRO-2104## | GRO-2107##
claim: CLM-051# | CLM-053# | CLM-055#

# The frames: intent, module and its number, how many samples; then one frame a line, after its language.

= intent.food.item.search food 4 75
en: show me (some|the best|) {dish} (near me|nearby|around {area})
en: do you have {dish} (today|right now|on the menu)?
en: I want to eat {dish}
en: I'm craving {dish} (so badly|tonight|)
en: what {cuisine} dishes can I get in {area}?
en: suggest something (spicy|sweet|healthy|filling) (to eat|for lunch|for dinner|for breakfast)
en: {dish} under {rupees} rupees (please|)
en: any (vegan|eggless|jain|low calorie|sugar free) (dishes|desserts|snacks)?
en: which (veg|non veg) starters are (available|good|popular)?
en: is {dish} available (now|in {area}|at this hour)?
en: (looking for|searching for) {dish} with less oil
en: what's good to eat (tonight|today|here)?
en: find {dish} or {dish}
en: need a (light|quick|cheap) (snack|meal|breakfast)
en: {dish}
en: {dish} (please|options|price?)
en: is there any place that makes (good|real|authentic) {dish}?
en: what can I eat for (breakfast|a late night snack|lunch) under {rupees}?
en: do any restaurants here serve {dish}?
en: something (without onion|without butter|gluten free|not oily) to eat
en: today's (special|menu|lunch deals)?
en: which {dish} is the best rated?
en: best {dish} in {city}
en: (only|just) (snacks|sweets|starters|drinks)
hinglish: {dish} milega kya {area} mein?
hinglish: mujhe {dish} khana hai
hinglish: (aaj|abhi) kya (acha|special|garam) milega khane mein?
hinglish: {rupees} tak kuch (acha|tasty|veg|non veg) dikhao khane ko
hinglish: koi (mast|sasta|badhiya) {dish} batao
hinglish: {dish} khane ka mann kar raha hai
hinglish: aas paas {dish} kahan milta hai?
hinglish: bhook lagi hai kuch (halka|teekha|meetha|jaldi wala) batao
hinglish: kya aapke paas {dish} hai?
hinglish: {cuisine} khane mein kya kya hai?
hinglish: bachche ke liye (kam teekha|meetha|bina mirchi ka) kuch hai kya?
hinglish: (nashte|dinner|lunch) mein kya kya option hai
hinglish: {dish} ya {dish}, jo bhi ho dikha do
hinglish: menu mein {dish} hai ya nahi?
hinglish: {dish}
hinglish: {dish} hai?
hinglish: (bina pyaz|bina butter|kam tel) ki koi sabzi ya dal milegi khane mein?
hinglish: sirf (meetha|snacks|chai) chahiye
hinglish: (shaam ke liye|office ke liye|party ke liye) kuch snacks batao
hinglish: {dish} wala kuch dikhao
hinglish: aaj ka special kya hai menu mein?
hinglish: (veg|non veg) thali {rupees} ke andar milegi kya?
hinglish: yahan {dish} milta hai?
hinglish: subah subah garam {dish} kaun deta hai
hi: मुझे {dish} खाने का मन है
hi: आपके यहाँ {dish} उपलब्ध है?
hi: {area} में {dish} कहाँ अच्छा मिलेगा?
hi: {rupees} रुपये से कम में खाने को कुछ दिखाइए
hi: आज नाश्ते में क्या क्या है?
hi: कुछ (मीठा|तीखा|हल्का|चटपटा) खाने को बताइए
hi: {cuisine} खाना मिलेगा क्या?
hi: {dish} दिखाओ (ज़रा|)
hi: भूख लगी है, (जल्दी मिलने वाला|सस्ता सा|गरमा गरम) कुछ बताओ
hi: बिना (तेल|मिर्च|अंडे) का कुछ खाने में है?
hi: मेनू में {dish} है क्या?
hi: {dish}
hi: {dish} कहीं मिल जाएगा?
hi: यहाँ अच्छा {dish} मिलता है क्या?
hi: मेनू का ख़ास पकवान कौन सा है?
hi: शाम के नाश्ते के लिए कुछ बताइए
hi: {dish} चाहिए, {rupees} रुपये तक
hi: व्रत में खाने लायक क्या मिलेगा?
hi: बच्चों के खाने के लिए कुछ {dish} जैसा

= intent.food.restaurant.search food 4 58
en: (good|best|famous) {cuisine} restaurants in {area}
en: which restaurants are open (now|late at night|on Sunday) near me?
en: is there a (dhaba|cafe|family restaurant|bakery) near {area}?
en: find me a restaurant for {n} people with (AC|parking|outdoor seating)
en: show top rated restaurants (nearby|in {area}|in {city})
en: where should we (dine|eat out) {day} in {city}?
en: any pure veg restaurant close to {place}?
en: suggest a (place|hotel) for {cuisine} food
en: which eatery is (nearest|cheapest) around {area}?
en: I need a (romantic|kid friendly|budget) place for dinner
en: who delivers {cuisine} food to {area}?
en: recommend a nice restaurant for an anniversary
en: restaurants near {place}
en: list all {cuisine} places in {city}
en: looking for a (cafe|bar|rooftop restaurant|buffet) in {area}
en: which places deliver to {area} (late at night|this early|quickly)?
en: pure veg places only
en: which restaurant has (the best ratings|a table free|home delivery)?
en: is there any good {cuisine} hotel around here?
en: a decent place to eat with my (parents|in-laws|kids)
hinglish: {area} mein koi acha restaurant batao
hinglish: paas mein kaunsa hotel khula hai (abhi|raat ko)?
hinglish: {cuisine} restaurant dhundo {area} ke aas paas
hinglish: family ke saath jaane layak (restaurant|jagah|hotel) batao
hinglish: koi (accha dhaba|cafe|veg hotel) hai kya {place} ke paas?
hinglish: sabse (acha|sasta|famous) restaurant kaunsa hai {city} mein?
hinglish: {n} logo ke liye baithne ki jagah wala restaurant chahiye
hinglish: dost ke saath dinner jaana hai, koi restaurant suggest karo
hinglish: raat ko der tak kaunse restaurant delivery karte hai?
hinglish: {city} ki famous (mithai|chaat|biryani) ki dukan batao
hinglish: rating ache wale restaurant dikhao
hinglish: nearby restaurants ki list do
hinglish: restaurant dikhao {area} ke
hinglish: {area} side mein koi (cafe|rooftop|buffet) hai?
hinglish: sirf veg restaurant dikhana
hinglish: birthday ke liye kaunsa restaurant theek rahega {city} mein?
hinglish: kaun kaun se hotel yahan khana dete hai?
hinglish: {cuisine} khane ki sabse achi jagah kaunsi hai?
hinglish: yahan najdeek koi bhojanalay ya udupi type jagah hai kya
hi: {area} में अच्छा रेस्टोरेंट बताइए
hi: यहाँ पास में कौन सा होटल खुला है?
hi: {cuisine} खाने का कोई रेस्टोरेंट ढूँढो
hi: परिवार के साथ खाने की कोई अच्छी जगह सुझाइए
hi: {city} की मशहूर (मिठाई|चाट|कचौड़ी) की दुकान कौन सी है?
hi: {place} के पास कोई भोजनालय है क्या?
hi: सबसे (सस्ता|बढ़िया|नज़दीकी) रेस्टोरेंट कौन सा है?
hi: शुद्ध शाकाहारी होटल दिखाइए
hi: रात में खुले रहने वाले (ढाबे|रेस्टोरेंट) बताओ
hi: {city} में {cuisine} रेस्टोरेंट कहाँ हैं?
hi: पास के रेस्टोरेंट की सूची दिखाइए
hi: {place} के आसपास खाने की दुकान बताओ
hi: कोई अच्छा ढाबा या भोजनालय ढूँढ दो
hi: जन्मदिन मनाने के लिए कोई अच्छा रेस्टोरेंट
hi: {area} में कौन से रेस्टोरेंट डिलीवरी करते हैं?

= intent.food.order.create food 4 72
en: order {n} {dish} (please|for me|)
en: I want to order {dish} and {dish}
en: get me {dish} from the (first|nearest|same) restaurant
en: can you order {dish} for {n} people?
en: place an order for {dish}, (cash on delivery|pay by upi|extra spicy)
en: {n} plates of {dish} to {area} please
en: send one {dish} and a {dish} to my (office|home|hostel)
en: repeat my last food order
en: add {dish} to (my order|the order) and confirm
en: I'll have the {dish}, (no onion|less spicy|extra chutney)
en: (deliver|bring) {dish} at {time}
en: yes order the (second|cheaper|large|veg) one
en: one {dish}, one {dish}, that's all
en: {n} {dish}
en: {n} {dish} and one {dish}, cash on delivery
en: {dish} for {n}, deliver to my (flat|room|office) (please|)
en: okay order that {dish}
en: I'll take (the first one|the second one|combo 2|the large one), order it
en: book {dish} for lunch {day}
en: half plate {dish} and {n} rotis please
en: make it {n} {dish} (with extra cheese|and no chilli)
en: please get {dish} delivered to {area}
hinglish: ek {dish} order kar do
hinglish: {n} plate {dish} bhej do {area} mein
hinglish: mere liye {dish} mangwa do
hinglish: {dish} aur {dish} order karna hai
hinglish: {n} {dish} chahiye, (ghar|office|hostel) pe bhejna
hinglish: khana order karo, {dish} aur roti
hinglish: (pichla|kal wala) order dobara laga do
hinglish: {dish} pack karwa ke bhej do, (mirchi kam|pyaz nahi|chutney alag)
hinglish: {n} {dish} (kar do|laga do|de do) cash denge
hinglish: haan (dusra|pehla|teesra) wala order kardo
hinglish: {time} tak {dish} bhijwa dena
hinglish: ek {dish} half plate aur ek {dish} full
hinglish: mummy ke ghar pe {dish} order kar dijiye
hinglish: {n} {dish}
hinglish: {n} {dish} aur ek {dish} bhej dijiye
hinglish: {dish} laga do (bhai|jaldi|ek)
hinglish: wahi {dish} wala order kar do (ghar pe|same address pe)
hinglish: khana mangwana hai, {n} {dish}
hinglish: ek {dish} mangana hai, {area} wale pate par
hinglish: (medium|large|half|full) wala {dish} ek bhej do
hinglish: party ke liye {n} {dish} order lagao
hinglish: {dish} order karo, extra (cheese|butter|chutney) ke saath
hi: एक {dish} ऑर्डर कर दीजिए
hi: {n} प्लेट {dish} भेज दो
hi: मेरे लिए {dish} मँगवा दीजिए
hi: {dish} और {dish} ऑर्डर करना है
hi: {area} वाले पते पर {dish} भिजवा दो
hi: कल वाला ऑर्डर फिर से लगा दो
hi: {n} {dish} पैक करवा दो, (मिर्च कम|प्याज़ मत डालना|चटनी अलग)
hi: खाना मँगाना है, {dish} और रोटी
hi: हाँ, पहला वाला ऑर्डर कर दो
hi: {time} {dish} पहुँचा देना
hi: {n} {dish}
hi: {dish} मँगवा दो (जल्दी|घर पर|दफ़्तर में)
hi: {n} {dish} और एक {dish} भेज दीजिए
hi: ऑर्डर लगा दो, {n} {dish}
hi: {dish} मँगाना है, तीखा कम रखना
hi: दूसरे वाले रेस्टोरेंट से {dish} ऑर्डर करो
hi: (वही|हाफ|फुल) {dish} मँगा दो घर के पते पर

= intent.food.order.track food 4 66
en: where is my food?
en: where has my {dish} reached?
en: track my food order {food}
en: how long will my {dish} take?
en: my lunch order is {mins} late
en: has the delivery guy left the restaurant?
en: when will my (dinner|lunch|breakfast|food) arrive?
en: status of order {food}
en: it's been {mins} and the {dish} hasn't come
en: is the restaurant still preparing my {dish}?
en: can you tell how far the delivery boy is (with my food|now)?
en: order {food} is not moving on the map
en: where is my order?
en: is my (food|{dish}|dinner) on the way?
en: eta of my {dish}?
en: how many more minutes for the food?
en: when will it reach, we are hungry
en: has the rider picked up my {dish}?
en: restaurant accepted my order or not?
en: food still not delivered after {mins}
en: delivery boy is not (answering|picking up|moving)
hinglish: mera khana kahan hai?
hinglish: mera {dish} kab tak aayega?
hinglish: order {food} ka status kya hai?
hinglish: khana kitni der mein aa jayega?
hinglish: delivery boy kahan tak aaya?
hinglish: {mins} ho gaya {dish} nahi aaya abhi tak
hinglish: khana bana ki nahi abhi?
hinglish: rider nikla kya restaurant se?
hinglish: itni der kyun lag rahi hai khane mein?
hinglish: mera order kahan pahuncha, {mins} ho gaye
hinglish: bhai {dish} (kab aayega|kidhar reh gaya|aa raha hai kya)
hinglish: track karo mera food order
hinglish: khana thanda ho jayega, kab deliver hoga?
hinglish: order kab aayega?
hinglish: kitni der aur lagegi order mein?
hinglish: rider (kahan hai|phone nahi utha raha|kitni door hai)
hinglish: mera {dish} nikla ki nahi?
hinglish: khana kidhar pahuncha bhaiya?
hinglish: order ka kya hua, bhook lagi hai
hinglish: {dish} aane mein kitna time lagega?
hinglish: restaurant ne order accept kiya kya?
hinglish: delivery wala {since} se ek hi jagah pe hai
hi: मेरा खाना कहाँ पहुँचा?
hi: मेरा {dish} कब तक आएगा?
hi: ऑर्डर {food} की स्थिति बताइए
hi: खाना आने में कितना समय लगेगा?
hi: डिलीवरी वाला कहाँ है?
hi: {mins} हो गया, {dish} नहीं आया
hi: खाना बन गया क्या?
hi: इतनी देर क्यों हो रही है खाने में?
hi: खाने का ऑर्डर ट्रैक कीजिए
hi: मेरा ऑर्डर कहाँ है?
hi: ऑर्डर कब आएगा, भूख लगी है
hi: खाना निकल गया क्या रेस्टोरेंट से?
hi: कितनी देर और लगेगी खाना आने में?
hi: {dish} कब पहुँचेगा?
hi: खाना लाने वाला {since} से वहीं खड़ा है

= intent.food.order.cancel food 4 52
en: cancel my food order (please|{food}|right now)
en: I don't want the {dish} anymore, cancel it
en: please cancel order {food}
en: can you stop my {dish} order?
en: I ordered {dish} by mistake, cancel
en: how do I cancel (my dinner|the lunch order|a food order)?
en: too late, I'm not hungry anymore, cancel the order
en: the restaurant is taking too long, cancel my order
en: cancel the {dish} before they start cooking
en: wrong restaurant selected, please cancel
en: remove my order of {dish}, we are going out to eat
en: cancel the order (please|now|)
en: cancel my {dish}
en: I don't want this order, please cancel
en: is it possible to cancel order {food} before the restaurant accepts?
en: stop, don't prepare the food
en: cancel dinner order, plans changed
en: ordered from the wrong restaurant, cancel food please
hinglish: mera khana cancel kar do
hinglish: {dish} wala order cancel karna hai
hinglish: order {food} cancel kar do please
hinglish: ab {dish} nahi chahiye, cancel karo
hinglish: galti se {dish} order ho gaya, cancel kardo
hinglish: khana mat bhejo, (bahar ja rahe hai|ghar pe ban gaya|mehman nahi aaye)
hinglish: bahut late ho raha hai, food order cancel kar do
hinglish: order radd kar dijiye (please|bhai|)
hinglish: restaurant wale ko bolo mat banaye, order cancel
hinglish: khane ka order kaise cancel hoga?
hinglish: do baar order ho gaya, ek {dish} cancel karo
hinglish: order cancel karo (bhai|jaldi|)
hinglish: {dish} mat bhejna, cancel kar do
hinglish: galat address pe khana order ho gaya, cancel karo
hinglish: order cancel karna tha, restaurant ne accept to nahi kiya?
hinglish: rehne do khana, order cancel
hinglish: mera {dish} cancel karwa do
hi: मेरा खाना कैंसिल कर दीजिए
hi: {dish} वाला ऑर्डर रद्द करना है
hi: ऑर्डर {food} कैंसिल कर दो
hi: अब {dish} नहीं चाहिए, कैंसिल कीजिए
hi: ग़लती से {dish} ऑर्डर हो गया, रद्द करो
hi: खाना मत भेजना, ऑर्डर कैंसिल
hi: बहुत देर हो रही है, खाने का ऑर्डर रद्द कर दो
hi: खाने का ऑर्डर कैसे कैंसिल होगा?
hi: ऑर्डर कैंसिल करो
hi: ऑर्डर रद्द कर दीजिए, (भूख नहीं है|मेहमान नहीं आए)
hi: रहने दो, {dish} मत भेजो
hi: मेरा {dish} वाला ऑर्डर हटा दीजिए
hi: ग़लत पते पर खाना ऑर्डर हो गया, कैंसिल करो
hi: खाना अभी बना न हो तो ऑर्डर रद्द कर दो

= intent.food.order.refund food 4 56
en: I want a refund for my {dish}
en: the {dish} was (cold|stale|burnt|undercooked), refund me
en: you sent {dish} instead of {dish}, I want my money back
en: refund for order {food} not received
en: {dish} is missing from my order, please refund
en: food was spoiled, return my money
en: I cancelled the food order, when will I get my refund?
en: money deducted twice for one {dish}
en: found (an insect|a hair|plastic) in my {dish}, need a refund
en: only {n} pieces came, refund the rest
en: got someone else's food, refund please
en: payment failed but amount debited for {food}
en: I need my money back for the food order
en: give me a full refund, the food was inedible
en: {dish} was spilled in the bag, refund
en: the {dish} leaked, I'm not paying for this
en: coupon not applied, I was overcharged for {dish}
en: wrong food delivered (again|), veg instead of non veg
en: refund status for {food}?
hinglish: {dish} (thanda|basi|jala hua|kharab) tha, paise wapas karo
hinglish: mujhe refund chahiye order {food} ka
hinglish: galat khana aaya hai, {dish} mangaya tha, refund do
hinglish: {dish} nahi aaya order mein, uske paise wapas chahiye
hinglish: refund kab milega khane ka?
hinglish: khane mein (keeda|baal|kankad) nikla, refund karo
hinglish: order cancel kiya tha, paisa wapas nahi aaya
hinglish: do baar paise kat gaye {dish} ke
hinglish: {n} {dish} mangaye the, ek kam aaya hai, paise lautao
hinglish: {days} ho gaye refund nahi mila food order ka
hinglish: khana gir gaya tha packet mein, refund chahiye
hinglish: coupon lagaya tha fir bhi pura paisa kata, wapas karo
hinglish: paise wapas chahiye, {dish} bilkul acha nahi tha
hinglish: veg manga tha non veg bhej diya, refund karo
hinglish: {dish} kam bheja hai, refund do
hinglish: paise kat gaye par food order nahi hua, wapas karo
hinglish: refund ka kya hua {food}
hinglish: pura {dish} gira hua aaya, paise lautao
hinglish: khana khane layak nahi tha, refund chahiye
hi: {dish} (ठंडा|बासी|ख़राब|कच्चा) था, पैसे वापस कीजिए
hi: ऑर्डर {food} का रिफंड चाहिए
hi: ग़लत खाना आया है, पैसे लौटाओ
hi: {dish} मँगाया था, {dish} आ गया, रिफंड दो
hi: खाने में कीड़ा निकला, मेरा पैसा वापस करो
hi: खाने का रिफंड कब मिलेगा?
hi: {days} हो गए, रिफंड नहीं आया खाने का
hi: पैसे दो बार कट गए {dish} के
hi: ऑर्डर में {dish} कम आया, उसका पैसा वापस चाहिए
hi: पूरा {dish} गिरा हुआ आया, रिफंड चाहिए
hi: शाकाहारी मँगाया था मांसाहारी भेज दिया, पैसे वापस दो
hi: पैसे कट गए पर खाने का ऑर्डर नहीं हुआ
hi: ऑर्डर कैंसिल किया था, रिफंड कब आएगा?
hi: {dish} खाने लायक नहीं था, पैसे लौटाइए
hi: {dish} में बाल निकला है

= intent.grocery.item.search grocery 2 70
en: do you have {item} in stock?
en: what is the price of {item}?
en: show me {item} (under {rupees}|brands|with discount|options)
en: any offer on {item} (today|this week|)?
en: search {item} in grocery
en: is organic {item} available?
en: I'm looking for {item} and {item}
en: which {item} is the cheapest?
en: how much for {load}?
en: do you sell {item}?
en: rate of {item} per kilo?
en: (fresh|seasonal) (vegetables|fruits) available today?
en: list all (cooking oils|pulses|spices|baby products|cleaning items)
en: {item} price?
en: {item} available?
en: (cheapest|best) {item} in the store
en: any {item} with a discount?
en: what brands of {item} do you have?
en: {item} in a (small|big|1 kg|family) pack?
en: which (biscuits|soaps|masalas|juices) do you have in the store?
en: do you keep (candles|batteries|diapers|pet food|frozen peas|baby food)?
hinglish: {item} hai kya stock mein?
hinglish: {item} ka (rate|bhav|daam) kya hai?
hinglish: {item} kitne ka hai aajkal?
hinglish: sasta {item} dikhao
hinglish: {item} pe koi offer chal raha hai kya?
hinglish: (taaza|fresh) sabzi kya kya hai aaj?
hinglish: {load} kitne ka padega?
hinglish: kirana mein {item} milega?
hinglish: {item} kaunsi company ka hai aapke paas?
hinglish: chota packet {item} ka hai kya?
hinglish: {item} aur {item} ka price batao
hinglish: grocery mein {item} dhundo
hinglish: achi quality ka {item} dikha do
hinglish: {item} available hai?
hinglish: {item} ka (bada|1 kilo wala|500 gram wala) packet dikhao
hinglish: (diaper|candle|battery|pooja ka saman|frozen matar|baby food) milega kya dukan pe?
hinglish: desi {item} hai kya store mein
hinglish: {item} mein kaunsa brand acha hai?
hinglish: aaj sabzi mein kya taaza hai, {item} hai?
hinglish: {item} sasta wala kitne ka hai?
hi: {item} है क्या आपके पास?
hi: {item} का (भाव|दाम) क्या है?
hi: {item} कितने का है?
hi: किराने में {item} दिखाइए
hi: {item} पर कोई छूट है?
hi: आज ताज़ी (सब्ज़ी|सब्ज़ियाँ) क्या क्या हैं?
hi: {load} कितने में मिलेगा?
hi: सबसे सस्ता {item} दिखाओ
hi: {item} का छोटा पैकेट मिलेगा क्या?
hi: {item} उपलब्ध है?
hi: {item} का बड़ा पैकेट दिखाइए
hi: (मोमबत्ती|डायपर|पूजा का सामान|बैटरी) मिलेगा क्या दुकान में?
hi: {item} और {item} का दाम बताइए
hi: {item} कौन सी कंपनी का है?
hi: (देसी|ताज़ा|अच्छा) {item} है दुकान में?
hi: {item} में कोई ऑफ़र चल रहा है?

= intent.grocery.order.create grocery 2 66
en: order {load} and {load}
en: add {load} to my (cart|basket)
en: I need {load}, {load} and {load}
en: send {load} by {time}
en: please deliver {load} to {area}
en: buy {item} and {item} for me
en: place my grocery order
en: put {item} in the basket and checkout
en: I want to order groceries (for the month|for home|)
en: same grocery list as last (week|month)
en: get {load} (home|delivered) {day}
en: checkout my cart, deliver {day}
en: {load}
en: {load}, {load}
en: I want {load} and some {item}
en: please add {item}, {item} and {item}
en: deliver groceries to {area}: {load}, {load}
en: monthly ration order please
en: {item} is over at home, send {load}
en: send me (milk and bread|2 litres of milk|curd and milk) every morning
hinglish: {load} aur {load} bhej do
hinglish: {load} cart mein daal do
hinglish: mahine ka ration order karna hai
hinglish: {load}, {load}, {load} likh lo
hinglish: ghar pe {load} bhijwa do
hinglish: kirana ka saman mangwana hai, {load}
hinglish: {item} khatam ho gaya, {load} bhej dena
hinglish: pichle hafte wali grocery list repeat kar do
hinglish: {load} chahiye {time} tak
hinglish: sabzi bhej do, {load} aur dhaniya
hinglish: basket mein {item} add karo aur order laga do
hinglish: (bhaiya|please) {load} de dena
hinglish: {load}
hinglish: {load} aur {load}
hinglish: {load} laga do, {item} bhi add kar dena
hinglish: roz subah ek packet doodh aur (bread|dahi|ande) chahiye
hinglish: ration mangwana hai is mahine ka, {load}
hinglish: ghar ka saman bhejo: {load}, {load}
hinglish: list likho {load}, {item}, {item}
hi: {load} और {load} भेज दीजिए
hi: {load} टोकरी में डाल दो
hi: महीने का राशन मँगवाना है
hi: घर पर {load} भिजवा दो
hi: {load}, {load} और {load} लिख लो
hi: किराने का सामान चाहिए, {load}
hi: {load} चाहिए {time} तक
hi: {item} ख़त्म हो गया है, {load} भेजना
hi: पिछली बार वाली राशन की सूची फिर से मँगा दो
hi: {load}
hi: {load} और थोड़ा {item} मँगवाना है
hi: घर का राशन भेज दीजिए, {load}, {load}
hi: रोज़ सुबह दूध और (ब्रेड|दही|अंडे) चाहिए
hi: {item}, {item} और {item} मँगा दो
hi: किराना ऑर्डर करना है

= intent.grocery.order.track grocery 2 54
en: where is my grocery order?
en: when will my groceries (come|be delivered|reach)?
en: track grocery order {basket}
en: my (vegetables|groceries) have not come yet
en: status of my basket {basket}
en: has my grocery order been packed?
en: grocery delivery is {mins} late
en: what time will the {item} be delivered?
en: my delivery slot was {time}, no groceries yet
en: has the {item} and {item} order shipped?
en: is my ration out for delivery?
en: where are my vegetables?
en: is my grocery delivery on the way?
en: milk and {item} not delivered (yet|till now)
en: has basket {basket} left the store?
en: groceries still not here, slot was {time}
en: how long until my grocery bag comes?
en: what happened to my ration order?
hinglish: mera kirana kab aayega?
hinglish: grocery order kahan tak pahuncha?
hinglish: sabzi abhi tak nahi aayi
hinglish: {basket} ka kya status hai?
hinglish: ration ka saman kitni der mein aayega?
hinglish: {time} ka slot tha, grocery nahi aayi
hinglish: {item} aur {item} mangaya tha, kab milega?
hinglish: grocery wala ladka kahan hai?
hinglish: saman pack hua ya nahi kirane ka?
hinglish: mera doodh aur {item} kab tak deliver hoga?
hinglish: kirane ki delivery {mins} late hai
hinglish: kirana order ka status batao
hinglish: subah ka doodh aur {item} abhi tak nahi aaya
hinglish: grocery kab deliver hogi?
hinglish: ration kahan reh gaya?
hinglish: {item} wali grocery nikli kya store se?
hinglish: sabzi wala order kidhar hai
hinglish: {basket} pack ho gaya kya?
hinglish: kitne baje tak saman aayega kirane ka?
hi: मेरा किराना कब आएगा?
hi: राशन का सामान कहाँ पहुँचा?
hi: सब्ज़ी अभी तक नहीं आई
hi: ग्रोसरी ऑर्डर {basket} की स्थिति बताइए
hi: {item} और {item} मँगाया था, कब मिलेगा?
hi: {time} का समय दिया था, राशन नहीं आया
hi: किराने वाला कितनी देर में आएगा?
hi: क्या मेरी टोकरी पैक हो गई?
hi: किराने का ऑर्डर कहाँ है?
hi: राशन कब तक पहुँचेगा?
hi: सुबह का दूध और {item} अभी तक नहीं आया
hi: सब्ज़ी वाला ऑर्डर कब आएगा?
hi: किराने का सामान दुकान से निकला क्या?
hi: {basket} का क्या हुआ?

= intent.grocery.order.cancel grocery 2 40
en: cancel my grocery order (please|{basket}|)
en: I don't need the groceries now, cancel
en: cancel {item} from my grocery basket
en: please cancel the vegetables order
en: remove {item} from the order, don't want it
en: wrong slot chosen for groceries, cancel it
en: can I cancel basket {basket}?
en: empty my cart and cancel the delivery
en: bought {item} from the local shop, so cancel the grocery delivery
en: cancel the groceries
en: cancel all vegetables and {item}
en: don't send the ration, cancel it
en: I added too much {item}, cancel the grocery order
en: ordered groceries twice, cancel one basket
en: stop the grocery delivery, nobody is at home
hinglish: grocery ka order cancel kar do
hinglish: kirana cancel karna hai
hinglish: {basket} cancel kar do
hinglish: {item} nahi chahiye, basket se hata do
hinglish: sabzi ka order cancel kardo, bazaar se le aaye
hinglish: ration mat bhejna, cancel karo
hinglish: saman ka order galti se ho gaya, grocery cancel
hinglish: cart khali kar do, kuch nahi lena kirana
hinglish: {item} aur {item} dono cancel kar do
hinglish: grocery mat bhejo, cancel
hinglish: galti se zyada {item} ho gaya, grocery order cancel karo
hinglish: do baar kirana order ho gaya, ek cancel kardo
hinglish: dukan se le liya {item}, kirane ka order hata do
hinglish: slot galat chun liya, grocery cancel karna hai
hi: किराने का ऑर्डर कैंसिल कर दीजिए
hi: राशन रद्द करना है
hi: {item} नहीं चाहिए, टोकरी से हटा दो
hi: सब्ज़ी का ऑर्डर कैंसिल करो, बाज़ार से ले आए
hi: ग्रोसरी {basket} रद्द कर दो
hi: किराने का सामान मत भेजना
hi: {item} का ऑर्डर कैंसिल कर दो
hi: राशन का ऑर्डर दो बार हो गया, एक रद्द करो
hi: किराना कैंसिल करना है
hi: {item} ज़्यादा हो गया, किराने का ऑर्डर रद्द कर दो
hi: ग्रोसरी मत भेजो, हम घर पर नहीं हैं
hi: दुकान से {item} ले लिया, राशन का ऑर्डर हटाओ

= intent.grocery.order.refund grocery 2 50
en: the {item} was (expired|rotten|damaged|leaking), refund please
en: refund for grocery order {basket}
en: {item} missing from my grocery bag
en: I got {item} instead of {item}, return it
en: (rotten|stale) vegetables delivered, want my money back
en: the {item} packet was open, I need a refund
en: when do I get the refund for returned {item}?
en: charged for {load} but received less
en: want to return {item} (bought yesterday|from last order|)
en: expiry date of {item} is already over, give refund
en: money back for the spoiled {item}
en: {item} was not in the bag, but it is in the bill
en: {item} packet torn, replace or refund
en: two {item} packets short, please refund
en: (bottle|jar|packet) leaked all over the groceries
en: eggs came broken, want a refund
en: grocery refund still pending
hinglish: {item} (kharab|sada hua|expire|phata hua) nikla, refund do
hinglish: grocery ka refund chahiye {basket}
hinglish: {item} aaya hi nahi saman mein, paise wapas karo
hinglish: {item} ki jagah {item} bhej diya, wapas lo
hinglish: sabzi (sadi hui|basi|gali hui) aayi hai, paise lautao
hinglish: {item} ka packet khula hua tha, return karna hai
hinglish: kirane ka paisa kab wapas aayega?
hinglish: {load} ke paise liye par kam diya
hinglish: {item} ki expiry date nikal chuki hai, wapas le jao
hinglish: {item} wapas karna hai, refund kaise milega
hinglish: {item} kam aaya hai saman mein, bill mein poora hai
hinglish: ande tute hue aaye, refund chahiye
hinglish: {item} badal do ya paise wapas karo
hinglish: bill mein {item} laga hai par mila nahi
hinglish: doodh phata hua nikla, paise wapas
hinglish: tel ki botal leak ho gayi saman pe, refund karo
hinglish: sada hua {item} bheja hai grocery mein
hi: {item} (ख़राब|सड़ा हुआ|पुराना) निकला, पैसे वापस करो
hi: किराने का रिफंड चाहिए
hi: सामान में {item} नहीं आया, पैसा लौटाइए
hi: {item} की जगह {item} भेज दिया, वापस लीजिए
hi: सब्ज़ी सड़ी हुई आई है, रिफंड दीजिए
hi: {item} का पैकेट फटा हुआ था, वापस करना है
hi: राशन के पैसे कब वापस आएँगे?
hi: {item} की तारीख़ निकल चुकी है, पैसे वापस दो
hi: {item} कम आया है, बिल में पूरा लगा है
hi: अंडे टूटे हुए आए, पैसे वापस कीजिए
hi: {item} बदल दीजिए या पैसे लौटाइए
hi: दूध फटा हुआ निकला, रिफंड दो
hi: ग्रोसरी का पैसा अब तक वापस नहीं मिला

= intent.parcel.booking.create parcel 5 60
en: I want to send {thing} to {city}
en: book a courier from {city} to {city}
en: please pick up a parcel from {area} {day}
en: schedule a pickup for {thing}, {weight}
en: I need to ship {thing} to my (brother|sister|customer|friend) in {city}
en: how do I book a parcel (online|from home|)?
en: arrange a pickup at {time}, it's a {weight} box
en: courier {thing} to {city} by (air|surface|express)
en: send someone to collect my package from {area}
en: create a shipment, {weight}, {city} to {city}
en: new parcel booking please
en: want to return {thing} to a seller in {city}, book a courier
en: send {thing} from {city} to {city}
en: book a parcel, {weight}
en: book it, pickup from {area}
en: pickup for {thing} {day} at {time}, drop in {city}
en: need courier service for {thing}
en: I have a {weight} carton for {city}
en: want to parcel {thing} to my hometown
en: book the (surface|air|express) one for my parcel
hinglish: {thing} bhejna hai {city}
hinglish: {city} se {city} courier book karo
hinglish: parcel bhejna hai, kaise book karu?
hinglish: {weight} ka parcel hai, {city} bhejna hai
hinglish: ghar se pickup kara do, {thing} bhejna hai
hinglish: {area} se parcel utha lo {day}
hinglish: bhai ko {city} mein {thing} courier karna hai
hinglish: {time} pickup bhej do, {weight} ka box hai
hinglish: courier booking karni hai
hinglish: {thing} parcel karwana hai (jaldi|express se|by air)
hinglish: naya parcel book kar do {city} ke liye
hinglish: ek dabba {city} pahunchana hai, koi lene bhejo
hinglish: parcel book karna hai
hinglish: {thing} {city} pahunchana hai, pickup kab karoge?
hinglish: gaon {thing} bhejna hai, book kar do
hinglish: {weight} ka carton hai {city} ke liye, pickup bhejo
hinglish: (surface|express|air) wala courier book kar do
hinglish: rakhi aur {thing} bhejna hai behen ko {city}
hinglish: courier ke liye pickup chahiye {area} se
hi: {thing} {city} भेजना है
hi: {city} से {city} कोरियर बुक कर दीजिए
hi: पार्सल भेजना है, कैसे बुक करूँ?
hi: {weight} का पार्सल {city} भेजना है
hi: घर से पार्सल उठवा लीजिए
hi: {area} से {thing} लेने किसी को भेजो
hi: कोरियर की बुकिंग करनी है
hi: {day} पार्सल बुक करो, {thing} है
hi: नया पार्सल बुक करना है {city} के लिए
hi: पार्सल बुक करना है
hi: {thing} गाँव भेजना है, बुक कर दीजिए
hi: बहन को {city} में {thing} भेजना है
hi: {weight} का डिब्बा है, पिकअप के लिए किसी को भेजिए
hi: कोरियर बुक कर दो, पता {area}
hi: {thing} {city} पहुँचाना है, पार्सल बुक कीजिए

= intent.parcel.shipment.track parcel 5 60
en: track my parcel {parcel}
en: where is my courier?
en: when will my package reach {city}?
en: status of shipment {parcel}
en: my parcel to {city} is delayed by {days}
en: has my courier been (dispatched|picked up|delivered)?
en: parcel {parcel} shows no update since {days}
en: expected delivery date of my parcel?
en: is my package still in {city}?
en: I sent {thing} to {city}, any news of the parcel?
en: tracking number {parcel}, please check
en: my courier is not delivered yet
en: parcel status
en: any update on my courier to {city}?
en: why is my parcel stuck in {city}?
en: has shipment {parcel} reached {city}?
en: it says out for delivery but the courier has not come
en: delivery attempted? nobody came with my parcel
en: where has {parcel} reached?
en: {days} and still no sign of my package
hinglish: mera parcel kahan hai?
hinglish: courier kab tak pahunchega {city}?
hinglish: {parcel} ka status batao
hinglish: parcel track karna hai
hinglish: {days} ho gaye courier nahi pahuncha
hinglish: mera {thing} wala parcel kahan atka hai?
hinglish: {city} wala parcel nikla kya?
hinglish: shipment kahan tak aaya, {parcel}
hinglish: courier wala aaj aayega kya?
hinglish: parcel {city} pahunch gaya kya?
hinglish: tracking mein kuch nahi dikha raha {parcel}
hinglish: kitne din aur lagenge parcel aane mein?
hinglish: {parcel} kahan pahuncha?
hinglish: parcel ki koi khabar? {days} ho gaye
hinglish: mera courier {city} mein kyun ruka hua hai?
hinglish: out for delivery likha hai par courier wala nahi aaya
hinglish: parcel kab milega mujhe?
hinglish: tracking update nahi ho raha, parcel kidhar hai?
hinglish: {thing} bheja tha {city}, pahuncha kya?
hi: मेरा पार्सल कहाँ है?
hi: कोरियर {city} कब तक पहुँचेगा?
hi: पार्सल नंबर {parcel} का क्या हुआ?
hi: {days} हो गए, पार्सल नहीं पहुँचा
hi: पार्सल ट्रैक करना है
hi: क्या मेरा कोरियर {city} से निकल गया?
hi: {thing} वाला पार्सल कहाँ अटका है?
hi: पार्सल कितने दिन में आएगा?
hi: कोरियर वाला आज आएगा क्या?
hi: {parcel} कहाँ तक पहुँचा?
hi: मेरा कोरियर कब आएगा?
hi: {city} में मेरा पार्सल क्यों रुका है?
hi: मेरे पार्सल की कोई ख़बर?
hi: {thing} भेजा था {city}, पहुँच गया क्या?
hi: कोरियर का स्टेटस बताओ {parcel}

= intent.parcel.price.quote parcel 5 60
en: how much to courier {thing} from {city} to {city}?
en: what are the charges for a {weight} parcel to {city}?
en: courier rate for {weight}, {city} to {city}
en: price for sending {thing} to {city}
en: cost of shipping {weight} (by air|by surface|express)
en: give me a quote for {weight} to {city}
en: what do you charge for (same day|next day|overnight) delivery?
en: is it cheaper to send {thing} by surface?
en: shipping charges please, {weight} box
en: parcel price {city} to {city}?
en: (packing|insurance|pickup) charges for a parcel?
en: courier charges?
en: how much for {weight} from {city} to {city}?
en: and how much by (surface|air|express)?
en: what would it cost to send {thing} within the city?
en: extra charges for fragile parcels?
en: rate card for parcels under {weight}
en: how much do I pay for a {weight} courier
en: any discount on bulk parcels?
hinglish: {city} se {city} parcel ka kitna lagega?
hinglish: {weight} bhejne ka kya rate hai?
hinglish: {thing} {city} bhejne mein kitna kharcha aayega?
hinglish: courier ka charge batao {weight} ka
hinglish: {city} tak {weight} ke kitne paise?
hinglish: parcel ka rate kya hai {city} ke liye?
hinglish: by air kitna aur surface se kitna?
hinglish: {weight} ka dabba {city}, kitne ka padega?
hinglish: sabse sasta courier kitne ka hai?
hinglish: (packing|insurance|pickup) ka alag paisa lagta hai kya?
hinglish: per kilo kya charge karte ho courier ka?
hinglish: {thing} ka parcel charge kitna
hinglish: {city} se {city} kitna charge courier ka?
hinglish: {weight} {city}, rate?
hinglish: parcel bhejne ka kharcha batao, {city}
hinglish: courier kitne mein jayega {city}?
hinglish: surface se {weight} kitne ka?
hinglish: nazuk saman ka extra charge lagta hai kya parcel mein?
hinglish: zyada parcel bheje to rate kam hoga?
hi: {city} से {city} पार्सल का कितना लगेगा?
hi: {weight} भेजने का क्या रेट है?
hi: {thing} {city} भेजने में कितना ख़र्च होगा?
hi: कोरियर का शुल्क बताइए, {weight}
hi: {city} तक {weight} के कितने पैसे लगेंगे?
hi: हवाई कोरियर का दाम क्या है?
hi: पार्सल का रेट बताओ {city} का
hi: प्रति किलो कितना लेते हैं कोरियर का?
hi: पार्सल भेजने का ख़र्चा बताइए
hi: {city} से {city}, {weight}, कितना चार्ज?
hi: {weight} का कोरियर कितने में जाएगा?
hi: सबसे सस्ता पार्सल रेट कौन सा है?
hi: पैकिंग का अलग पैसा लगता है क्या?
hi: शहर के अंदर पार्सल का दाम?
hi: {thing} का पार्सल {city}, रेट बताओ

= intent.parcel.pickup.reschedule parcel 5 50
en: reschedule my pickup to {time}
en: change the pickup (time|date|slot) please
en: can you come for the pickup {day} instead?
en: pickup boy did not come, send again {day}
en: please postpone the pickup of {parcel}
en: I won't be home at {time}, shift the pickup
en: move my parcel pickup to {day}
en: need an earlier pickup slot for {parcel}
en: delay the pickup by {n} hours
en: the box is not packed yet, pick it up {day}
en: my pickup address changed, collect from {area} (instead|)
en: pickup at {time} instead of {time} please
en: today's pickup is not possible, do it {day}
en: reschedule {parcel} pickup to {day}
en: can the pickup be later (today|in the evening)?
en: nobody is at home now, send the pickup guy at {time}
en: pickup was missed, come again {day}
hinglish: pickup ka time change karna hai
hinglish: pickup {day} kar do
hinglish: aaj pickup nahi ho payega, {day} bhejo
hinglish: {time} ke baad pickup karna, pehle main ghar pe nahi hu
hinglish: {parcel} ka pickup aage badha do
hinglish: pickup wala nahi aaya, dobara {day} bhej do
hinglish: parcel lene {time} aana, abhi ready nahi hai
hinglish: pickup reschedule kar do please
hinglish: pickup ki date badal do {day}
hinglish: parcel lene wale ko {day} bhejna, aaj nahi
hinglish: pickup {n} ghante baad karwa do
hinglish: pickup {time} kar do, abhi ghar pe koi nahi
hinglish: pickup thoda late karwao, {time}
hinglish: pickup {day} {time} pe shift karo
hinglish: pickup boy ko {time} bhejna, packing baaki hai
hinglish: aaj ka pickup {day} pe daal do
hinglish: pickup ka slot badalna hai
hi: पिकअप का समय बदलना है
hi: पिकअप {day} कर दीजिए
hi: आज पिकअप नहीं हो पाएगा, {day} भेजिए
hi: {time} के बाद पिकअप करवाइए
hi: {parcel} का पिकअप आगे बढ़ा दो
hi: पार्सल लेने {day} आना, अभी पैक नहीं हुआ
hi: पिकअप वाला नहीं आया, दोबारा {day} भेजो
hi: पिकअप की तारीख़ बदल दीजिए
hi: पिकअप {time} कर दीजिए, अभी घर पर कोई नहीं
hi: पिकअप का समय बदलकर {time} कर दो
hi: आज वाला पिकअप {day} कीजिए
hi: पिकअप वाले को {time} भेजना
hi: पिकअप थोड़ी देर से करवाइए
hi: पिकअप कल नहीं, {day} रखिए

= intent.parcel.booking.cancel parcel 5 42
en: cancel my parcel booking {parcel}
en: I don't want to send the courier anymore
en: please cancel the pickup, not sending it
en: cancel shipment {parcel}
en: stop my courier to {city}
en: booked the parcel twice, cancel one
en: how can I cancel a courier booking?
en: don't pick up the parcel, cancel
en: wrong {city} address on my parcel, cancel the booking
en: cancel the courier
en: cancel pickup {parcel}, I will drop it myself
en: parcel not ready, cancel the booking
en: no need for the pickup now, cancel parcel
en: cancel my {city} parcel, receiver refused
hinglish: parcel cancel kar do
hinglish: courier booking cancel karni hai {parcel}
hinglish: {thing} nahi bhejna ab, parcel cancel karo
hinglish: pickup cancel kar do, parcel nahi bhejna
hinglish: {city} wala courier cancel kardo
hinglish: galti se do parcel book ho gaye, ek cancel karo
hinglish: {parcel} cancel karna hai please
hinglish: parcel ki booking radd kar do
hinglish: khud jaa raha hu {city}, courier cancel kar do
hinglish: courier cancel karo
hinglish: pickup wale ko mana kar do, parcel booking cancel
hinglish: parcel ka booking hata do
hinglish: saman ready nahi hai, parcel booking cancel karo
hinglish: {parcel} ka pickup mat karna, cancel
hi: पार्सल कैंसिल कर दीजिए
hi: कोरियर की बुकिंग रद्द करनी है
hi: {thing} नहीं भेजना अब, पार्सल रद्द करो
hi: पार्सल {parcel} रद्द कर दो
hi: {city} वाला पार्सल कैंसिल करो
hi: पिकअप रद्द कर दो, पार्सल नहीं भेजना
hi: पार्सल लेने मत आना, बुकिंग कैंसिल
hi: कोरियर कैंसिल करो
hi: पार्सल बुकिंग हटा दीजिए
hi: पिकअप वाले को मना कर दो, कुछ नहीं भेजना
hi: सामान तैयार नहीं है, पार्सल बुकिंग कैंसिल कर दो
hi: दो बार पार्सल बुक हो गया, एक रद्द करो

= intent.parcel.claim.create parcel 5 48
en: my parcel arrived (damaged|broken|wet|torn), I want to claim
en: how do I file a claim for {parcel}?
en: {thing} missing from my package
en: courier lost my {thing}, I want compensation
en: box was open and {thing} stolen
en: parcel marked delivered but I never got it
en: claim insurance for a broken {fragile}
en: status of my claim {claim}
en: need compensation for damaged parcel {parcel}
en: my shipment is lost, who will pay for it?
en: my {fragile} came broken in the courier, I want compensation
en: package says delivered, nobody received it
en: documents needed for a parcel claim?
en: the seal was broken and {thing} is gone
en: parcel lost for {days}, give me compensation
en: claim for {parcel}, contents damaged
hinglish: parcel (toota hua|khula hua|bheega hua|phata hua) mila hai, claim karna hai
hinglish: mera parcel kho gaya, muavza chahiye
hinglish: {fragile} toot gaya courier mein, claim kaise karu?
hinglish: parcel se {thing} gayab hai
hinglish: delivered dikha raha hai par parcel mila nahi
hinglish: {parcel} ka claim karna hai
hinglish: courier walo ne {fragile} tod diya, paisa kaun dega?
hinglish: claim {claim} ka kya hua?
hinglish: nuksan ki bharpai chahiye, {thing} kharab ho gaya parcel mein
hinglish: insurance claim form kahan milega parcel ka?
hinglish: parcel gum ho gaya, claim karna hai
hinglish: dabba khula tha aur {thing} nahi hai
hinglish: claim ke liye kya documents chahiye?
hinglish: courier mein saman tuta hua aaya, muavza do
hinglish: kisi ko parcel mila nahi par delivered likha hai, claim do
hinglish: {parcel} ki seal tooti thi, saman kam hai
hi: पार्सल (टूटा हुआ|खुला हुआ|भीगा हुआ) मिला, क्लेम करना है
hi: मेरा पार्सल खो गया, मुआवज़ा चाहिए
hi: पार्सल से {thing} ग़ायब है
hi: {fragile} टूट गया कोरियर में, क्लेम कैसे करूँ?
hi: डिलीवर दिखा रहा है पर पार्सल मिला नहीं
hi: {parcel} का मुआवज़ा कौन देगा?
hi: नुक़सान की भरपाई चाहिए, पार्सल ख़राब मिला
hi: क्लेम {claim} का क्या हुआ?
hi: पार्सल गुम हो गया, क्लेम चाहिए
hi: डिब्बा खुला था और {thing} नहीं है
hi: क्लेम के लिए कौन से काग़ज़ लगेंगे?
hi: कोरियर में सामान टूटकर आया, मुआवज़ा दीजिए
hi: {parcel} टूटा हुआ मिला, शिकायत और क्लेम दर्ज करें

= intent.ride.booking.create ride 7 66
en: book a {vehicle} from {area} to {area}
en: I need a {vehicle} to {place} (now|urgently|at {time})
en: get me a ride to {area}
en: can I get a {vehicle} at {time} {day}?
en: pick me up from {place}
en: {vehicle} for {n} people to {place}
en: book a ride {day} at {time}
en: I have to go to {place}, send a {vehicle}
en: need an outstation cab to {city} {day}
en: drop me at {area} please
en: please schedule a {vehicle} for my (father|wife|parents) to {place}
en: want a round trip to {city} {day}
en: {vehicle} to {area} please
en: {area} to {place}, {vehicle}, {n} passengers
en: get a cab, I'm late for {place}
en: I want to go to {area} {day}
en: is a {vehicle} available now near {area}?
en: book an (SUV|mini|sedan|airport cab) at {time}
en: need a ride (home|to work|back) at {time}
en: from {place} to {area} now
hinglish: {area} se {area} {vehicle} book karo
hinglish: {place} jaana hai, {vehicle} bhej do
hinglish: mujhe {vehicle} chahiye {time}
hinglish: ek {vehicle} bula do {area} se
hinglish: {place} chhod do mujhe
hinglish: {day} {time} {vehicle} chahiye {place} ke liye
hinglish: {n} log hai, {place} jaana hai, badi gaadi bhejna
hinglish: {vehicle} book kar do please
hinglish: {city} jaane ke liye cab chahiye {day}
hinglish: mummy papa ko {place} le jaana hai, cab book karo
hinglish: ride book karni hai {place} tak
hinglish: jaldi ek {vehicle} bhejo, {place} pahunchna hai
hinglish: {vehicle} bhejo {area}
hinglish: {vehicle} milegi abhi {area} mein?
hinglish: ghar jaana hai, {vehicle} book kar do
hinglish: {area} jaana hai {n} logo ko
hinglish: {time} office ke liye {vehicle} laga do
hinglish: (7 seater|mini|sedan|suv) bhej do {place} ke liye
hinglish: {place} se {area} le chalo
hi: {area} से {area} {vehicle} बुक करो
hi: {place} जाना है, {vehicle} भेज दीजिए
hi: मुझे {time} {vehicle} चाहिए
hi: एक {vehicle} बुला दो {area} से
hi: {day} {place} के लिए {vehicle} चाहिए
hi: {n} लोगों के लिए गाड़ी बुक कर दो
hi: {city} जाने के लिए टैक्सी चाहिए {day}
hi: माता जी को {place} ले जाना है, {vehicle} बुक कीजिए
hi: {place} छोड़ दीजिए मुझे
hi: {vehicle} चाहिए
hi: {area} जाना है अभी
hi: घर जाना है, {vehicle} बुला दीजिए
hi: {time} दफ़्तर के लिए {vehicle} भेज देना
hi: {place} से {area} तक {vehicle} चाहिए
hi: बड़ी गाड़ी चाहिए, {n} लोग और सामान है
hi: {vehicle} मिलेगी क्या अभी?

= intent.ride.booking.cancel ride 7 50
en: cancel my {vehicle} (please|booking|)
en: cancel the ride {ride}
en: I don't need the {vehicle} now
en: driver is taking too long, cancel my ride
en: I found another {vehicle}, cancel this one
en: please cancel my {time} ride to {place}
en: will I be charged if I cancel the ride?
en: my flight got delayed, cancel the cab
en: booked the wrong pickup point, cancel the {vehicle}
en: how do I cancel a ride?
en: call off the {vehicle} to {area}
en: cancel ride
en: cancel my trip to {place}
en: the driver asked me to cancel, so cancel the {vehicle}
en: not going anymore, cancel the ride please
en: taking the (bus|metro|train) instead, cancel the cab
en: driver is asking for extra money, cancel the trip
en: {vehicle} not needed, meeting postponed
hinglish: meri {vehicle} cancel kar do
hinglish: ride cancel karna hai {ride}
hinglish: ab {vehicle} nahi chahiye, cancel karo
hinglish: {vehicle} ki booking cancel kar do
hinglish: driver bahut door hai, ride cancel kardo
hinglish: dusri {vehicle} mil gayi, ye wali cancel karo
hinglish: {place} nahi jaana ab, ride cancel kar do
hinglish: ride cancel karne pe paise katenge kya?
hinglish: galat pickup daal diya, {vehicle} cancel karo
hinglish: driver mana kar raha hai, booking cancel karo
hinglish: cab cancel
hinglish: ride hata do, plan badal gaya
hinglish: main metro se ja raha hu, {vehicle} cancel kardo
hinglish: driver ne bola cancel kar do, to ride cancel karo
hinglish: {vehicle} mat bhejo ab
hinglish: booking cancel karo, {time} wali ride
hinglish: driver zyada paise maang raha hai, {vehicle} cancel karo
hi: मेरी {vehicle} कैंसिल कर दीजिए
hi: राइड रद्द करनी है
hi: {vehicle} की बुकिंग रद्द करो
hi: {place} नहीं जाना अब, {vehicle} कैंसिल कर दो
hi: ड्राइवर बहुत दूर है, राइड कैंसिल करो
hi: दूसरी गाड़ी मिल गई, यह वाली रद्द कर दो
hi: राइड {ride} कैंसिल कीजिए
hi: अब {vehicle} नहीं चाहिए
hi: कैंसिल करने पर पैसे कटेंगे क्या राइड के?
hi: {vehicle} मत भेजना अब
hi: सवारी रद्द कीजिए
hi: मेट्रो से जा रहा हूँ, {vehicle} कैंसिल करो
hi: ड्राइवर ज़्यादा पैसे माँग रहा है, बुकिंग रद्द कर दो
hi: प्लान बदल गया, राइड हटा दीजिए
hi: {time} वाली {vehicle} कैंसिल कर दीजिए

= intent.ride.fare.estimate ride 7 56
en: what is the fare from {area} to {area}?
en: how much will a {vehicle} to {place} cost?
en: fare estimate for a {vehicle} to {area}
en: {vehicle} charges from {place} to {area}?
en: how much for a ride to {city}?
en: what's the per km rate of a {vehicle}?
en: is {rupees} enough for a {vehicle} to {place}?
en: which is cheaper to {area}, {vehicle} or {vehicle}?
en: night charges for a {vehicle}?
en: price of a cab for {n} hours?
en: why is the fare so high (today|now|for {area})?
en: roughly how much from my home to {place} by {vehicle}?
en: fare to {area}?
en: {vehicle} fare from {place} to {area}
en: approximate fare for {area} to {area}?
en: does the fare include toll (and parking|)?
en: cab for the full day to {city}, how much?
en: why is the {vehicle} so expensive today
en: how much does the {vehicle} charge at night?
hinglish: {area} se {area} ka kiraya kitna hai?
hinglish: {place} tak {vehicle} ka kitna lagega?
hinglish: {vehicle} ka kiraya batao {area} tak
hinglish: {city} jaane ka cab kitne ka padega?
hinglish: {vehicle} per km kitna leti hai?
hinglish: {area} tak kitne paise lagenge {vehicle} mein?
hinglish: {vehicle} sasti padegi ya {vehicle}?
hinglish: raat ko kiraya zyada hota hai kya?
hinglish: {n} ghante ke liye gaadi kitne ki milegi?
hinglish: {place} ka fare kitna hoga?
hinglish: itna zyada kiraya kyun dikha raha hai?
hinglish: {rupees} mein {place} chalega kya {vehicle}?
hinglish: {area} ka fare?
hinglish: {vehicle} se {area} kitna padega?
hinglish: {area} se {place} kitne paise lagenge?
hinglish: poore din ki gaadi ka rate kya hai?
hinglish: toll alag se lagega kya fare mein?
hinglish: {city} outstation ka per km rate?
hinglish: {place} tak {vehicle} ka rate batao
hi: {area} से {area} का किराया कितना है?
hi: {place} तक {vehicle} का कितना लगेगा?
hi: {vehicle} का किराया बताइए {area} तक
hi: {city} जाने की टैक्सी कितने की पड़ेगी?
hi: प्रति किलोमीटर क्या भाव है गाड़ी का?
hi: {place} तक कितने पैसे लगेंगे?
hi: पूरे दिन के लिए गाड़ी कितने की मिलेगी?
hi: किराया इतना ज़्यादा क्यों है?
hi: {area} का अनुमानित किराया बताओ
hi: {place} का किराया?
hi: {area} से {place} {vehicle} कितने की पड़ेगी?
hi: {city} आने जाने का कितना किराया?
hi: टोल किराए में शामिल है क्या?
hi: {vehicle} से {area} कितना पड़ेगा?
hi: रात का किराया कितना होता है?

= intent.ride.driver.track ride 7 54
en: where is my driver?
en: how far is my {vehicle}?
en: when will the {vehicle} arrive?
en: the driver is not answering my calls
en: my {vehicle} is {mins} late
en: track my ride {ride}
en: why is the driver not moving?
en: share the live location of my {vehicle}
en: driver went to the wrong place, tell him to come to {area}
en: what's the number plate of my {vehicle}?
en: is the driver on the way to {place}?
en: how many minutes for the cab to reach me?
en: where is my {vehicle}?
en: driver location?
en: how far is the driver from {area}?
en: cab still not here after {mins}
en: the driver is standing at the wrong gate
en: is he coming or not, driver is stuck
en: map is not showing my {vehicle}
en: driver phone not reachable, when will he come?
hinglish: driver kahan hai mera?
hinglish: {vehicle} kitni door hai?
hinglish: {vehicle} kab tak aayegi?
hinglish: driver phone nahi utha raha
hinglish: {since} se wait kar raha hu, {vehicle} nahi aayi
hinglish: driver ulta kyun ja raha hai?
hinglish: {ride} ka driver kidhar hai?
hinglish: driver ka naam aur gaadi number batao
hinglish: driver ko bolo {area} gate pe aaye
hinglish: {vehicle} wala ek jagah khada hai, aa nahi raha
hinglish: cab ki live location bhejo
hinglish: driver kitni der mein pahunchega?
hinglish: meri {vehicle} kahan hai?
hinglish: bhaiya kahan pahunche aap, main gate pe khada hu
hinglish: driver galat gate pe khada hai
hinglish: app mein {vehicle} ki location hi nahi aa rahi
hinglish: kitni der mein aaoge bhaiya?
hinglish: {vehicle} ka number kya hai?
hinglish: otp batao ride ka, driver aa gaya
hi: मेरा ड्राइवर कहाँ है?
hi: {vehicle} कितनी देर में आएगी?
hi: {vehicle} अभी तक नहीं आई
hi: ड्राइवर फ़ोन का जवाब नहीं दे रहा
hi: {since} से इंतज़ार कर रहा हूँ, {vehicle} नहीं आई
hi: ड्राइवर का नाम और गाड़ी नंबर बताइए
hi: ड्राइवर उल्टी तरफ़ क्यों जा रहा है?
hi: ड्राइवर कहाँ तक पहुँचा?
hi: {ride} वाली गाड़ी कहाँ है?
hi: मेरी {vehicle} कहाँ है?
hi: भैया कहाँ पहुँचे आप?
hi: {vehicle} का नंबर क्या है?
hi: ड्राइवर {since} से नहीं आया
hi: ड्राइवर ग़लत जगह खड़ा है
hi: गाड़ी कितनी दूर है?
hi: नक़्शे पर गाड़ी नहीं दिख रही

= intent.ride.lostitem.report ride 7 47
en: I left my {lost} in the {vehicle}
en: lost my {lost} in a cab (yesterday|today|last night)
en: my {lost} is with the driver of {ride}
en: forgot my {lost} on the back seat
en: can you call the driver, my {lost} is in his {vehicle}
en: how do I get back my {lost} from the {vehicle}?
en: report lost item, {lost}, ride {ride}
en: I think my {lost} fell in the {vehicle} near {area}
en: did the driver find a {lost}?
en: please help, {lost} left behind in {vehicle}
en: my {lost} was in the {vehicle}
en: {lost} left in the {vehicle}, please ask the driver
en: I lost a {lost} during my ride to {place}
en: need the driver's number, I forgot my {lost}
en: driver has my {lost}, his phone is off
en: please check the seat for my {lost}
hinglish: mera {lost} {vehicle} mein reh gaya
hinglish: {lost} chhoot gaya {vehicle} mein
hinglish: {vehicle} mein {lost} bhool gaya main
hinglish: driver se pucho mera {lost} mila kya
hinglish: kal wali ride mein {lost} gir gaya
hinglish: {ride} mein mera {lost} reh gaya hai, wapas dilao
hinglish: {lost} kho gaya {vehicle} mein, driver ka number do
hinglish: driver ke paas mera {lost} hai, kaise milega?
hinglish: seat pe {lost} chhod diya, please dhundwa do
hinglish: gaadi mein samaan reh gaya, {lost} hai
hinglish: mera {lost} gaadi mein chhoot gaya hai
hinglish: {lost} gir gaya shayad {vehicle} mein
hinglish: mera {lost} dhundo, {vehicle} ki seat pe tha
hinglish: driver se baat karao, {lost} reh gaya
hinglish: kal {vehicle} mein {lost} bhool gayi
hinglish: {lost} wapas chahiye jo {vehicle} mein reh gaya
hi: मेरा {lost} {vehicle} में रह गया
hi: {vehicle} में {lost} छूट गया
hi: {lost} {vehicle} में भूल गया हूँ
hi: ड्राइवर से पूछिए मेरा {lost} मिला क्या
hi: {ride} में मेरा {lost} रह गया, वापस दिलाइए
hi: {lost} खो गया है {vehicle} में, ड्राइवर का नंबर दीजिए
hi: कल की सवारी में {lost} गिर गया
hi: सीट पर {lost} छोड़ दिया, ढूँढ दीजिए
hi: {lost} {vehicle} में गिर गया शायद
hi: मेरा {lost} ढूँढिए, {vehicle} की सीट पर था
hi: कल {vehicle} में {lost} भूल गई
hi: ड्राइवर के पास मेरा {lost} है
hi: {lost} वापस चाहिए जो {vehicle} में छूटा

= intent.general.greeting general 1 50
en: hi (there|team|bot|everyone|sir|madam|dear)
en: hello (there|team|bot|sir|madam|friend|again)
en: hey (bot|buddy|friend|team|hi|hello)
en: good (evening|afternoon|day) (sir|team|all|madam|)
en: good morning (sir|all|bot|madam|to you)
en: (hii|hiii|heyy|helloo|hellooo)
en: (hi|hello), how are you (today|doing|)?
en: hi, (are you there|is anyone there|anybody online)?
en: (greetings|happy diwali|happy new year|happy holi|namaste)
en: hello hello
en: what's up (bot|buddy|)
en: (hi|hey), nice to meet you
en: hello (bot|ji|everyone|good evening)
en: hey (there team|all|you|bro)
en: hi (good morning|hello|hey)
en: very good (morning|evening|afternoon)
en: (hola|howdy|yo|hai|hallo)
en: (anyone|anybody) (there|here)?
hinglish: namaste (bhaiya|bhai|sir|didi|)
hinglish: namaskar (ji|sir|bhai|)
hinglish: hello (bhai|bhaiya|yaar|didi|bot ji)
hinglish: hi (bhai|bhaiya|yaar|ji)
hinglish: kaise ho (bhai|aap|dost|)
hinglish: aur (bhai|yaar) kya chal raha hai?
hinglish: (ram ram|jai shri krishna|salaam|sat sri akal|pranam|vanakkam) (ji|bhai|sabko|)
hinglish: suprabhat (ji|dosto|)
hinglish: koi (hai kya|online hai kya|hai yahan)?
hinglish: kya haal (chaal|hai aapka|hai janab)
hinglish: (shubh ratri|shubh sandhya|gud evening|gm) (ji|bhai|)
hinglish: hello kaun bol raha hai
hinglish: namaste (sabko|ji bhai|team)
hinglish: (hii|hey|helo|hlo) (bhai|ji|bro|)
hinglish: good morning (ji|bhai|bhaiya)
hinglish: kya haal hai (sab|didi|bhaiya)
hinglish: kaise hai aap log
hi: नमस्ते (जी|भैया|दोस्त|टीम)
hi: नमस्कार (जी|भाई|आपको)
hi: (हाय|हैलो|प्रणाम|सलाम) (भाई|जी|)
hi: (शुभ संध्या|शुभ प्रभात|सुप्रभात) (जी|सबको|)
hi: कैसे हो (भाई|दोस्त|आप)?
hi: आप कैसे हैं?
hi: जय श्री कृष्ण
hi: (क्या हाल है|क्या हालचाल) (भाई|जनाब|)
hi: हैलो, कोई सुन रहा है?
hi: सत श्री अकाल जी
hi: (हाय|हैलो) (दोस्त|टीम|सर)
hi: राम राम (जी|भैया)
hi: गुड मॉर्निंग
hi: कोई है क्या?
hi: नमस्ते कैसे हो

= intent.general.thanks general 1 46
en: thank you (sir|so much|very much|for the help|team|)
en: thanks (a lot|for your help|buddy|again|a ton)
en: (many thanks|much appreciated|thankyou|thnx|tysm|thanx)
en: (great|awesome|perfect|super|nice), (thanks|thank you)
en: that (was helpful|helped|solved it), thanks
en: (I really appreciate it|appreciate your help|appreciated)
en: you are (very helpful|the best|a lifesaver), thank you
en: (good|excellent|amazing) (service|job|work), thanks
en: okay thank you (bye|)
en: god bless you, thank you
en: thanks (team|bro|sir|dear)
en: thank u (so much|bye|)
en: (wonderful|lovely|brilliant), thank you so much
en: that was quick, thanks a lot
en: ty (so much|bro|)
en: thx (a lot|man|)
hinglish: dhanyawad (ji|aapka|bhaiya|)
hinglish: shukriya (ji|aapka|dost|yaar|bahut bahut)
hinglish: bahut (bahut dhanyawad|shukriya|meherbani)
hinglish: thank you (bhai|bhaiya|ji|didi)
hinglish: thanks (bhai|yaar|ji|bro)
hinglish: (mast|badhiya|sahi|ekdum mast) hai, (thanks|shukriya)
hinglish: madad karne ke liye (shukriya|dhanyawad|thanks)
hinglish: kaam ho gaya, (thank you|shukriya|dhanyawad)
hinglish: aapne bahut help ki, thanks
hinglish: bahut accha laga, dhanyawad
hinglish: (thx|thanku|thnx|tysm) (bhai|ji|)
hinglish: bahut badhiya (kaam|service), dhanyawad
hinglish: chalo thanks (bhai|ji)
hinglish: aapka (shukriya|bahut dhanyawad|abhaar)
hinglish: (perfect|super), thanks bhai
hi: धन्यवाद (जी|आपका|भाई|दोस्त)
hi: शुक्रिया (भाई|आपका|दोस्त)
hi: बहुत (बहुत शुक्रिया|मेहरबानी|आभार)
hi: आपका बहुत धन्यवाद
hi: मदद करने के लिए (धन्यवाद|शुक्रिया)
hi: (वाह|बढ़िया|कमाल), शुक्रिया
hi: काम हो गया, धन्यवाद
hi: थैंक यू (जी|भाई|)
hi: बहुत अच्छा, (धन्यवाद|शुक्रिया)
hi: (आभार|आभारी हूँ) आपका
hi: जल्दी मदद के लिए धन्यवाद
hi: ठीक है, शुक्रिया

= intent.general.acknowledge general 1 40
en: (ok|okay) (fine|good|sure|cool|got you|noted|then)
en: (alright|sure|yes|yep|noted|understood|right|cool|fine)
en: okk(k|)
en: (yes|yeah|sure) (okay|fine|that works|sounds good)
en: (sounds good|makes sense|no problem|fair enough|i see)
en: I understand (now|)
en: fine (by me|with me|then)
en: hmm (ok|fine|okay)
en: okay (thik|ji|done|great|no problem)
en: got it (ok|now|done)
en: (all good|all right|good|done|agreed|of course)
en: (kk|okie|oki|okey|oky)
hinglish: (accha|acha) (ji|thik hai|samajh gaya|)
hinglish: theek hai (ji|bhai|fir|)
hinglish: (haan|han) (ji|theek|sahi hai|ok)
hinglish: (sahi hai|chalega|samajh gaya|samajh gayi|pata hai|koi baat nahi)
hinglish: ok (ji|bhai|theek|done|chalo)
hinglish: (chalo|chaliye) (theek hai|ok|sahi)
hinglish: hmm (theek hai|accha|sahi)
hinglish: ji (haan|bilkul|zaroor)
hinglish: theek (hai na|hi hai|rahega)
hinglish: (thik|tik) h
hinglish: haan (bhai|samajh gaya|chalega)
hinglish: (accha|acha) (ok|bhai|sahi)
hinglish: hmm hmm
hi: (हाँ|जी हाँ|हाँ जी|जी)
hi: ठीक है (जी|भाई|फिर)
hi: (समझ गया|समझ गई|अच्छा जी|चलेगा|सही है|बिल्कुल)
hi: (हम्म|अच्छा), ठीक है
hi: कोई बात नहीं
hi: ओके (जी|)
hi: अच्छा (अच्छा|ठीक)
hi: हाँ (ठीक है|समझ गया|सही)
hi: (चलो|तो) ठीक है
hi: जी (बिल्कुल|ठीक|समझ गया)

= intent.general.agent general 1 50
en: connect me to (an agent|customer care|a human|your manager|support)
en: I want to speak to (a human|someone|customer support|your supervisor)
en: (talk|transfer) to (agent|executive|human|representative)
en: please give me the (customer care|helpline|support) number
en: can I (talk|chat) with a live agent?
en: you are a bot, I need a (human|real agent|person)
en: (human|live agent|customer care|executive|representative) please
en: ask someone from your team to call me (back|)
en: let me speak with (the manager|a senior|an executive)
en: I need help from a (real human|support person|live person)
en: this bot doesn't understand, give me an agent
en: (agent|human) (now|pls)
en: is there a (customer care|helpline) number I can call?
en: I don't want to chat with a machine, get me a human agent
en: call me back, I want to talk to someone
en: where can I contact customer support?
en: escalate this to a (senior|manager|supervisor)
hinglish: (customer care|agent|executive|manager) se baat karni hai
hinglish: kisi (insaan|aadmi|senior) se baat karao
hinglish: (customer care|helpline|support) ka number do
hinglish: mujhe (manager|agent|support wale) se connect karo
hinglish: bot se nahi, (insaan|agent|kisi bande) se baat karni hai
hinglish: koi (executive|agent|banda) available hai kya?
hinglish: mujhe call karwao (agent|customer care|kisi) se
hinglish: aap samajh nahi rahe, agent ko bulao
hinglish: apne (manager|senior|officer) ko line pe lo
hinglish: call back chahiye customer support se
hinglish: real person se chat karna hai
hinglish: agent (chahiye|bulao|do)
hinglish: customer care wale se baat karwa do
hinglish: machine se baat nahi karni, insaan chahiye
hinglish: (helpline|toll free) number kya hai?
hinglish: kya yahan koi insaan hai baat karne ko?
hinglish: kisi se call pe baat karni hai
hi: (कस्टमर केयर|एजेंट|अधिकारी|मैनेजर) से बात करनी है
hi: किसी (इंसान|आदमी|कर्मचारी) से बात कराइए
hi: (कस्टमर केयर|सहायता केंद्र) का नंबर दीजिए
hi: मुझे एजेंट से जोड़िए
hi: मशीन से नहीं, इंसान से बात करवाओ
hi: कोई (एजेंट|कर्मचारी) है क्या बात करने के लिए?
hi: मुझे कॉल करवाइए किसी से
hi: अपने बड़े अधिकारी को बुलाइए
hi: ग्राहक सेवा से जोड़ दीजिए
hi: एजेंट (चाहिए|को बुलाओ)
hi: हेल्पलाइन नंबर दीजिए
hi: क्या कोई इंसान है यहाँ बात करने को?
hi: ग्राहक सेवा अधिकारी से बात कराओ
hi: मैनेजर से मिलवाइए

= intent.general.complaint general 1 62
en: your service is (terrible|pathetic|very bad|getting worse)
en: I want to (file|register|lodge) a complaint
en: the (driver|delivery boy|rider) was very rude
en: your app (keeps crashing|is so slow|is useless|hangs)
en: very disappointed with your (service|app|staff)
en: (worst|horrible|pathetic) (service|experience|support)
en: nobody (replies|helps|listens) here
en: you people always deliver late
en: I will (uninstall this app|never order again|complain to the consumer court)
en: the driver was driving (rashly|too fast|on the phone)
en: why do you charge (so much|hidden fees|extra for delivery)?
en: this is the third time I'm facing the same (problem|issue)
en: your delivery staff misbehaved with my (mother|guard|wife)
en: your prices keep going up and the quality keeps going down
en: delivery fee is (too high|a scam|ridiculous)
en: surge charges are (cheating|unfair)
en: bad experience (again|every time), fix your service
en: your staff (threw|dropped) my things at the gate and left
en: no one takes responsibility in your company
en: app (crashes|freezes) on the payment page
hinglish: bahut (ghatiya|bekar|kharab|wahiyat) service hai
hinglish: shikayat (karni|darj karni) hai
hinglish: (driver|delivery boy|rider) ne badtameezi ki
hinglish: aapka app (kaam nahi karta|bahut slow hai|band ho jata hai)
hinglish: koi (sunta|jawab deta|dhyan deta) nahi hai yahan
hinglish: har baar late karte ho tum log
hinglish: {n} baar complain kar chuka, koi fayda nahi
hinglish: (app delete|uninstall) kar dunga, itni kharab service
hinglish: driver bahut (tez|rash|gandi) gaadi chala raha tha
hinglish: tum log (chor|fraud|jhoothe) ho, loot machi hai
hinglish: delivery charge itna zyada kyun lete ho
hinglish: staff ka behaviour bilkul acha nahi hai
hinglish: time barbaad kar diya tum logo ne
hinglish: aapke log (badtameez|jhoothe|laparwah) hai
hinglish: payment page pe app (atak|band ho|hang ho) jata hai
hinglish: service din pe din kharab ho rahi hai
hinglish: shikayat likho, delivery wala gaali de raha tha
hinglish: rate bahut badha diye, quality kharab hai
hinglish: sharam aani chahiye aap logo ko, koi zimmedari nahi
hi: आपकी सर्विस बहुत (ख़राब|घटिया|बेकार) है
hi: मुझे शिकायत (करनी|दर्ज करनी) है
hi: (ड्राइवर|डिलीवरी वाले) ने बदतमीज़ी की
hi: आपका ऐप (चलता नहीं|बहुत धीमा है|काम नहीं करता)
hi: कोई (सुनता|जवाब देता|ध्यान देता) ही नहीं यहाँ
hi: हर बार देर करते हो आप लोग
hi: बहुत निराश हूँ आपकी सेवा से
hi: आप लोग (लूट रहे हो|ठगते हो|झूठ बोलते हो)
hi: ड्राइवर बहुत तेज़ गाड़ी चला रहा था
hi: तीसरी बार यही परेशानी हो रही है
hi: शिकायत लिखिए, डिलीवरी वाला बदतमीज़ था
hi: पेमेंट करते समय ऐप अटक जाता है
hi: आपकी सेवा दिन पर दिन ख़राब हो रही है
hi: दाम बढ़ा दिए और क्वालिटी घटिया है
hi: इतनी घटिया कंपनी नहीं देखी
hi: आपके लोग बहुत लापरवाह हैं
