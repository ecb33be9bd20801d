# ruff: noqa: E501, SIM905  (word lists read best as running text)
"""Word lists that slot values are made of. Data only; which words a value uses is decided elsewhere."""

from __future__ import annotations

STEMS = tuple(
    """account action adapter address admin agent alarm album alert alias analysis anchor animal answer api app archive
    area array article asset atlas audio audit auth author avatar backend backup badge balance banner base basket batch
    beacon bench billing bin block blog board book booking border bot bottle box branch bridge broker browser bucket
    budget buffer build bundle button cache calendar camera canvas car card cart catalog cell center chain changes
    channel chapter chart chat check checkout child city claim class cleanup client clock cloud cluster code coin
    collector color column comment common compare compiler component config connection console constants consumer
    contact container content context contract controller convert cookie core counter country course crawler credit
    crypto currency cursor customer daemon dashboard data database date debug decoder default delivery demo deploy
    design desk device dialog diff digest directory dispatch display docs document domain download draft driver dump
    editor element email emitter encoder engine entry env errors event example exchange export factory feature feed
    field file filter finance fixture flags flow folder font footer forest form format forum frame front function
    game garden gateway geometry girl github glossary grammar graph grid group guard guest guide handler hash header
    health helper history home hook host hotel house icon image import inbox index info input install inventory invoice
    island item jobs journal jungle kernel key keyboard kitchen label lake language launcher layer layout leader ledger
    legacy lemon lesson letter level lexer library license light limits line link list loader local location lock log
    login logo loop machine mail main manager map market mask matrix measure media meeting member memory menu merge
    message metrics middleware migration mirror mobile mode model module monitor month moon mountain mouse movie music
    names navbar network news node notes notify number object ocean office offer options orange order output owner
    packages page paint panel parser partner party patch path pattern payment people permission person phone photo
    pipeline pixel planet player plot plugin point policy pool portal post prices printer problem process product
    profile project prompt proof protocol provider proxy public query queue quiz quota radio random range rate reader
    receipt recipe record redis reducer registry release remote render report request resource response result
    retry review river robot role roster router routes rules runner sales sample scanner schedule schema score screen
    script search season secret section security sensor server service session settings setup shadow shape share sheet
    shell shipping shop sidebar signal site slider snapshot socket solver song sorter source space spec speed sprite
    stack staff star state station stats status stock storage store story stream string student style summary support
    survey switch symbol sync system table tag target task tax team template tenant terminal test theme thread ticket
    tiger timer title today todo token tool topic tracker traffic train transform tree trigger tunnel tutorial types
    unit update upload usage user utils validator values vector vendor version video view village visitor wallet
    warehouse water weather web webhook weekly widget window winter wizard word worker world writer yellow zebra zone
    alice bob carol quark nebula falcon otter maple cedar onyx cobalt saffron pepper mango walnut turnip badger heron
    lynx mimic gizmo gadget sprocket wombat koala lima tango sierra delta omega sigma theta kappa zeta""".split()
)

EXTENSIONS = tuple(
    """py py py py js js ts ts tsx jsx go rs java rb php c h cpp hpp cs kt swift scala sh md md txt txt json json yaml yml
    toml ini cfg conf csv tsv xml html css scss sql log env lock proto ipynb vue tf lua pl ex dart svelte rst tex bat ps1
    gradle properties mdx graphql""".split()
)

DIRECTORIES = tuple(
    """src lib app tests test docs scripts config bin build tools pkg internal cmd api server client web public static
    assets data models views controllers services utils core common components pages hooks store styles migrations
    fixtures examples packages plugins modules infra deploy backend frontend vendor include spec schemas templates
    locales benchmarks notebooks helm charts ci k8s terraform lambda functions handlers middleware routes""".split()
)

DOTFILES = tuple(
    """.gitignore .env .bashrc .zshrc .npmrc .eslintrc .prettierrc .dockerignore .editorconfig .vimrc .gitattributes
    .babelrc .nvmrc .flake8 .pylintrc .env.local .env.example .env.production .github/workflows/ci.yml
    .github/workflows/release.yml .vscode/settings.json .gitlab-ci.yml .pre-commit-config.yaml .profile .coveragerc
    .travis.yml .circleci/config.yml .gitmodules .mailmap .python-version .ruby-version .config/nvim/init.lua""".split()
)

PLAIN_FILES = tuple(
    """Makefile Dockerfile LICENSE README Procfile Jenkinsfile Gemfile Rakefile Vagrantfile CHANGELOG CODEOWNERS
    NOTICE AUTHORS TODO VERSION BUILD WORKSPACE Pipfile Justfile Brewfile Caddyfile README.md package.json
    pyproject.toml setup.py setup.cfg tox.ini Cargo.toml go.mod go.sum tsconfig.json requirements.txt
    requirements-dev.txt docker-compose.yml webpack.config.js vite.config.ts jest.config.js CMakeLists.txt pom.xml
    build.gradle composer.json index.html main.py app.py manage.py main.go main.rs index.js index.ts App.tsx
    conftest.py __init__.py CHANGELOG.md CONTRIBUTING.md LICENSE.txt package-lock.json yarn.lock poetry.lock
    settings.py urls.py models.py utils.py server.js config.yaml config.json values.yaml Chart.yaml nginx.conf""".split()
)

ROOTS = tuple(
    """/etc /var/log /usr/local/lib /usr/share /opt /home/ana /home/dev /srv /tmp /var/www /app /workspace /data /mnt/disk
    ~/projects ~/code ~/notes ~/.config ~/work ~/Documents ~/dotfiles C:/work ../shared ../common ../other""".split()
)

VERBS = tuple(
    """get set load save parse build make find fetch send read write open close start stop init run handle update create
    delete remove add check validate compute render format convert merge split sort filter map reduce encode decode
    sign verify hash lock flush reset retry sync push pull poll emit apply resolve register connect dispatch log""".split()
)

PROSE = tuple(
    """the build is green|hello world|hello there|hi|ok|done|todo|nothing here yet|work in progress|draft|first line|
    buy milk|call the bank|meeting at noon|see you tomorrow|all tests pass|version two|ready to ship|do not edit|
    thanks for reading|new chapter|good morning|happy birthday|never mind|under construction|coming soon|
    release notes|remember the milk|sample text|just a test|testing one two three|foo bar baz|lorem ipsum dolor|
    the quick brown fox|one two three|happy new year|it works|no changes|final version|placeholder|deprecated|
    please review|needs work|approved|rejected|pending|see above|not found|access denied|come back later""".replace(
        "\n", ""
    ).split("|")
)
PROSE = tuple(text.strip() for text in PROSE)

SUBJECTS = tuple(
    "the server|the client|the parser|our team|the cache|every user|the report|the invoice|this module|the worker|my cat|"
    "the backup|the queue|a new release|the login page|the garden|nobody|the printer|the train|the weather".split("|")
)
PREDICATES = tuple(
    "starts at noon|is ready|needs a restart|was moved|looks fine|stops on errors|has two owners|will be removed|is slow today|"
    "sends mail twice|likes tea|ships on Friday|runs every night|costs 40 euros|waits for input|is green again".split(
        "|"
    )
)

CODE = tuple(
    """print('{w}')|print("{w} {v}")|import {w}|from {w} import {v}|const {w} = {n};|let {w} = '{v}';|var {w} = null;|
    {w} = {n}|{w} = '{v}'|{W} = "{v}"|return {w}|return {w}.{v}|return None|def {u}_{w}():|def {u}_{w}({v}):|
    def {u}_{w}({v}, {w}=None):|class {c}:|class {c}({d}):|if {w} is None:|if ({w} > {n})|if not {w}:|for {w} in {v}:|
    while {w} < {n}:|{w}.{u}({v})|self.{w} = {v}|self.{u}_{w}()|await {u}({w})|async def {u}_{w}():|raise {c}Error|
    throw new Error('{w}');|console.log({w});|console.log('{w}', {v});|func {u}{c}() error {|fn {u}_{w}() -> u32 {|
    #include <{w}.h>|#!/bin/bash|echo "{w}"|export {W}={v}|{W}={n}|{w}: {n}|{w}: {v}|{w}: true|<div>{w}</div>|
    <h1>{c}</h1>|# {c}|## {c} {d}|- {w}|SELECT * FROM {w};|assert {w} == {n}|assert {w}|x = [{n}, 2, 3]|{w} += 1|
    {w}[{n}]|{w}['{v}']|{w}.{v}|{u}({w}, {n})|{u}_{w}({n})|lambda x: x + {n}|try:|except {c}Error:|
    export default {c};|module.exports = {w};|use {w}::{v};|package {w}|namespace {c};|@{w}|@{w}.{v}|// {w}|# TODO: {w}|
    {w} && {v}|{w} || {v}|!{w}|{w} == {v}|{w} != {n}|{w} <= {n}|i < {n}|timeout={n}|margin: {n}px;|color: #{n};|
    {{"{w}": {n}}}|{{"{w}": "{v}"}}|{{"{w}": true}}|["{w}", "{v}"]|[{n}, 2]|{{"{w}": [1, {n}]}}|{w}={v}""".replace(
        "\n", ""
    ).split("|")
)
CODE = tuple(text.strip() for text in CODE if text.strip())

COMMANDS = tuple(
    """git status~git log~git log --oneline -{n}~git diff~git diff {p}~git diff HEAD~1~git add {p}~git add .~git add -A~
    git commit -m '{w} {v}'~git commit -m "{w} the {v}"~git commit --amend --no-edit~git push~git push origin {w}~git push --force-with-lease~
    git pull~git pull --rebase~git fetch --all~git checkout {w}~git checkout -b {w}-{v}~git switch {w}~git branch~git branch -d {w}~
    git merge {w}~git rebase main~git rebase -i HEAD~{n}~git stash~git stash pop~git reset --hard HEAD~git blame {p}~git show HEAD:{p}~git tag v{n}.0~
    git clone https://example.com/{w}/{v}.git~git remote -v~git grep {w}~git ls-files~git cherry-pick {h}~git revert {h}~
    npm install~npm install {w}~npm i -D {w}-{v}~npm test~npm run {w}~npm run build~npm start~npm ci~npm run {w}:{v}~npx {w}~yarn~yarn add {w}~yarn {w}~pnpm i~
    pip install {w}~pip install -r requirements.txt~pip install -e .~pip list~pip freeze~pip show {w}~pip uninstall -y {w}~python {p}~python3 -m {w}~
    python -m venv .venv~python -m http.server {n}~python -c "print({n})"~python manage.py {w}~python setup.py {w}~pytest~pytest -q~pytest {p}~
    pytest -x -k {w}~pytest --cov={w}~pytest tests/test_{w}.py::test_{v}~pytest -m "not {w}"~tox -e {w}~ruff check {d}~ruff format~mypy {d}~black {p}~
    flake8 {d}~docker ps~docker ps -a~docker build -t {w} .~docker run -it {w} bash~docker logs {w} --tail {n}~docker compose up -d~
    docker-compose down~docker exec -it {w} sh~docker images~docker stop {w}~docker pull {w}:{n}~make~make {w}~make -j{n}~make clean~make clean && make {w}~
    cargo build~cargo build --release~cargo test~cargo run -- --{w}~cargo clippy~cargo add {w}~go build ./...~go test ./...~go run {p}~go mod tidy~
    go vet ./{d}/...~kubectl get pods~kubectl get pods -n {w}~kubectl logs {w}-{n}~kubectl apply -f {p}~kubectl describe pod {w}~helm install {w} ./{d}~
    terraform plan~terraform apply -auto-approve~curl https://example.com/{w}~curl -X POST http://localhost:{n}/{w}~curl -s localhost:{n}/{w} | jq .{v}~
    curl -I https://{w}.example.com~wget https://example.com/{w}.zip~ping -c {n} {w}.local~ls~ls -la~ls -la {d}~ls {d} | wc -l~ls -lh {d}/{w}~cat {p}~cat {p} | head -n {n}~
    head -n {n} {p}~tail -f {w}.log~tail -n {n} {p}~grep -rn {w} {d}~grep -c '{w}' {p}~grep -i "{w} {v}" {p}~cat {p} | grep {w}~find . -name '*.{e}'~
    find {d} -type f -mtime -{n}~find {d} -name "{w}*" -delete~sed -i 's/{w}/{v}/g' {p}~sed -n {n}p {p}~awk '{print $1}' {p}~sort {p} | uniq -c~wc -l {p}~
    wc -l {d}/*.{e}~du -sh {d}~du -sh *~df -h~free -m~top -b -n 1~ps aux~ps aux | grep {w}~kill {n}~kill -9 {n}~lsof -i :{n}~chmod +x {p}~chmod 644 {p}~chown {w} {p}~
    mkdir {d}/{w}~mkdir -p {d}/{w}/{v}~rm {p}~rm -rf {d}/{w}~rm -f {w}.log~cp {p} {w}.bak~cp -r {d} {w}~mv {p} {w}.{e}~touch {p}~ln -s {p} {w}~
    tar -czf {w}.tar.gz {d}~tar -xzf {w}.tar.gz~zip -r {w}.zip {d}~unzip {w}.zip~ssh {w}@{v}.example.com~ssh -p {n} {w}@host~scp {p} {w}@host:/tmp~
    rsync -av {d}/ {w}/~echo {w}~echo "{w} {v}"~echo $PATH~echo {w} > {w}.txt~echo '{w}' >> {p}~env~printenv {W}~export {W}={n}~whoami~hostname~pwd~date~date +%s~uptime~uname -a~which {w}~
    which python~history | tail -{n}~man {w}~systemctl status {w}~systemctl restart {w}~sudo systemctl stop {w}~sudo apt update~sudo apt install {w}~brew install {w}~
    apt-get install -y {w}~journalctl -u {w} -n {n}~crontab -l~node {p}~node --version~node -e "console.log({n})"~deno run {p}~bun test~tsc --noEmit~eslint {d}~eslint --fix {p}~prettier --write {p}~
    ./{w}.sh~./{w}.sh --{v}~bash {d}/{w}.sh~sh {p}~./gradlew {w}~mvn clean install~mvn test -Dtest={c}~java -jar {w}.jar~gcc {w}.c -o {w}~g++ -O2 {w}.cpp~cmake --build {d}~
    ruby {w}.rb~bundle install~rails {w}~php {w}.php~composer install~psql -U {w} -c 'select {n}'~sqlite3 {w}.db .tables~redis-cli get {w}~mysql -u {w} {v}~
    cd {d} && ls~cd {d} && npm test~cd {d} && make {w}~make {w} && make {v}~npm test -- --{w}~npm test 2>&1 | tail -{n}~python {p} > {w}.log 2>&1~{w} --help~{w} --version~
    {w} {v} --{w}={n}~{w}ctl {v} -f {p}~time ./{w}~nohup ./{w} &~sleep {n} && echo {w}~for f in *.{e}; do echo $f; done~test -f {p} && cat {p}~diff {p} {w}.{e}~md5sum {p}~sha256sum {p}~
    base64 {p}~xxd {p} | head~openssl rand -hex {n}~nvidia-smi~gh pr list~gh pr view {n}~gh issue create -t {w}~aws s3 ls~aws s3 cp {p} s3://{w}~gcloud auth login~
    az login~poetry install~poetry add {w}~uv sync~uv run {w}~conda activate {w}~alembic upgrade head~flask run~flask run --port {n}~uvicorn {w}:app --reload~
    gunicorn {w}.wsgi~celery -A {w} worker~jupyter notebook~ansible-playbook {p}~vagrant up~hugo server~jekyll build~pre-commit run --all-files~black --check .~isort {p}""".replace(
        "\n", ""
    ).split("~")
)
COMMANDS = tuple(text.strip() for text in COMMANDS if text.strip() and text.strip() not in ("1", "{n}"))

PATTERNS = tuple(
    """{w}~{w}~{w}_{v}~{u}_{w}~{u}{c}~{c}~{c}{d}~{W}~{W}_{V}~TODO~FIXME~HACK~XXX~{w}.{v}~{w}.{v}()~{u}(~{u}_{w}(~def {w}~def {u}_~class {c}~
    import {w}~from {w} import~import {{ {c} }}~require('{w}')~console.log~print(~{w}.*{v}~^{w}~{w}$~^import~^def ~\\b{w}\\b~[A-Z]{{{n}}}~
    [0-9]+~\\d+~\\d{{{n}}}~{w}\\d+~{w}\\s+{v}~({w}|{v})~{w}|{v}~{w}?~{w}s?~.*{c}~def .*{w}~class .*{c}~function {u}~func {c}~fn {w}~async def~
    await {u}~{w}: {v}~{w} = {n}~{w}={v}~"{w}"~'{w}'~{w} {v}~{w} the {v}~{w} not found~{c} {v} {w}~error: {w}~{c}Error~raise {c}Error~except Exception~
    @{w}~#{w}~${w}~${{{W}}}~process.env.{W}~os.environ~localhost:{n}~http://~https?://~{n}~v{n}.0~0x{h}~{h}~{w}-{v}~--{w}~-{w}~<{w}>~</{w}>~{w}/{v}~{w}_id~user_{w}~
    is_{w}~has{c}~on{c}~use{c}~{w}_{v}~select \\* from~SELECT .* FROM {w}~{w}[{n}]~{w}\\.{v}~{w}\\(~^# {c}~^\\s*return~return {w}~if {w}~{w} ==~!= {n}~{w} +~{r}~{r}~{r}_{w}""".replace(
        "\n", ""
    ).split("~")
)
PATTERNS = tuple(text.strip() for text in PATTERNS if text.strip())

GLOBS = tuple(
    """*.{e}~**/*.{e}~*.{e}~**/*.{e}~{d}/*.{e}~{d}/**/*.{e}~{d}/**/*.{e}~./**/*.{e}~{d}/*~{d}/**~{w}*~{w}*.{e}~*{w}*~*_{w}.{e}~**/{w}.{e}~**/{w}*~**/{w}_*.{e}~
    test_*.{e}~**/test_{w}*.{e}~**/*_test.{e}~**/*.test.{e}~**/*.spec.{e}~{d}/**/test_*.{e}~{d}/{w}/*~{d}/{w}/**/*.{e}~*.{{{e},{f}}}~**/*.{{{e},{f}}}~{d}/**/*.{{{e},{f}}}~
    {w}?.{e}~{w}[0-9].{e}~[a-z]*.{e}~**/{W}*~**/{c}*.{e}~{d}/*/{w}.{e}~*/{w}.{e}~{d}/*/*.{e}~**/.{w}rc~.{w}*~**/{d}/**~**/{d}/*.{e}~/{d}/*.{e}~~/{w}/*.{e}~../{d}/*.{e}~
    **/README*~**/Dockerfile*~**/package.json~**/__init__.py~**/*config*~**/*{w}*.{e}~{d}/**/*{w}*~{r}*.{e}~**/{r}*""".replace(
        "\n", ""
    ).split("~")
)
GLOBS = tuple(text.strip() for text in GLOBS if text.strip())

# What people call a kind of file, and the ending it has. Words, not values: they belong to no split.
LANGUAGES = {
    "Python": "py", "JavaScript": "js", "TypeScript": "ts", "Go": "go", "Rust": "rs", "Java": "java", "Ruby": "rb",
    "PHP": "php", "Kotlin": "kt", "Swift": "swift", "Scala": "scala", "Lua": "lua", "Dart": "dart", "markdown": "md",
    "Markdown": "md", "JSON": "json", "TOML": "toml", "CSV": "csv", "XML": "xml", "HTML": "html", "CSS": "css",
    "SQL": "sql", "text": "txt", "log": "log", "YAML": "yaml", "shell": "sh", "PDF": "pdf", "PNG": "png",
    "C#": "cs", "Vue": "vue", "SVG": "svg", "protobuf": "proto", "notebook": "ipynb", "Terraform": "tf",
}  # fmt: skip
# Endings that are as right as the one above. (Of C++ everyone has a list of their own.)
OTHER_ENDINGS = {"YAML": ("yml",)}
# Endings of one kind of file in one glob, by what people call it.
ENDINGS_TOGETHER = {
    "YAML": (("yaml", "yml"), ("yml", "yaml")), "Markdown": (("md", "markdown"),), "markdown": (("md", "markdown"),),
    "HTML": (("html", "htm"),), "TypeScript": (("ts", "tsx"),),
    "JavaScript": (("js", "jsx"), ("js", "mjs", "cjs"), ("js", "jsx", "mjs"), ("js", "jsx", "mjs", "cjs")),
}  # fmt: skip
